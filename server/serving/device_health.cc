#include "server/serving/device_health.h"

#include <algorithm>
#include <array>
#include <utility>

#include "server/base/logging.h"

namespace torchferry {
namespace {

constexpr Duration kFirstWait = std::chrono::milliseconds(250);
constexpr Duration kLongestWait = std::chrono::seconds(60);
// A device that has been up for so long starts its next probation from kFirstWait.
constexpr Duration kForgiven = std::chrono::seconds(60);

constexpr std::array<std::string_view, 3> kNames = {"up", "probation", "lost"};

}  // namespace

std::string_view Name(DeviceState state) { return kNames.at(static_cast<size_t>(state)); }

void DeviceHealth::Add(const DeviceId& device) {
  MutexLock lock(mutex_);
  Entry& entry = devices_[device];
  entry.report.device = device;
  entry.order = static_cast<int>(devices_.size());
  metrics_.SetDeviceUp(ToString(device), true);
}

DeviceState DeviceHealth::Get(const DeviceId& device) const {
  if (device.IsCpu()) return DeviceState::kUp;
  MutexLock lock(mutex_);
  const auto found = devices_.find(device);
  return found == devices_.end() ? DeviceState::kUp : found->second.report.state;
}

std::vector<DeviceReport> DeviceHealth::List() const {
  MutexLock lock(mutex_);
  std::vector<Entry> entries;
  for (const auto& [device, entry] : devices_) {
    if (!device.IsCpu()) entries.push_back(entry);
  }
  std::ranges::sort(entries, {}, &Entry::order);
  std::vector<DeviceReport> reports;
  for (const Entry& entry : entries) reports.push_back(entry.report);
  return reports;
}

void DeviceHealth::Report(const DeviceId& device, DeviceFault fault, std::string_view why) {
  if (fault != DeviceFault::kTransient && fault != DeviceFault::kLost) return;
  DeviceReport report;
  {
    MutexLock lock(mutex_);
    const auto found = devices_.find(device);
    if (device.IsCpu() || found == devices_.end()) return;
    Entry& entry = found->second;
    const DeviceState next = fault == DeviceFault::kLost ? DeviceState::kLost : DeviceState::kProbation;
    if (entry.report.state >= next) return;
    const TimePoint now = clock_.Now();
    const bool is_forgiven = entry.wait == Duration::zero() || now - entry.up_since >= kForgiven;
    entry.wait = is_forgiven ? kFirstWait : std::min(entry.wait * 2, kLongestWait);
    entry.canary_at = now + entry.wait;
    entry.report.state = next;
    entry.report.why = std::string(why);
    report = entry.report;
    metrics_.SetDeviceUp(ToString(device), false);
  }
  if (report.state == DeviceState::kLost) {
    LogError("device lost", {{"device", ToString(device)}, {"reason", why}});
  } else {
    LogWarning("device on probation", {{"device", ToString(device)}, {"reason", why}});
  }
  Tell(report);
}

void DeviceHealth::ReportSound(const DeviceId& device) {
  DeviceReport report;
  {
    MutexLock lock(mutex_);
    const auto found = devices_.find(device);
    if (found == devices_.end() || found->second.report.state != DeviceState::kProbation) return;
    Entry& entry = found->second;
    entry.report.state = DeviceState::kUp;
    entry.report.why.clear();
    entry.up_since = clock_.Now();
    report = entry.report;
    metrics_.SetDeviceUp(ToString(device), true);
  }
  LogInfo("device up again", {{"device", ToString(device)}});
  Tell(report);
}

bool DeviceHealth::IsCanaryDue(const DeviceId& device) const {
  MutexLock lock(mutex_);
  const auto found = devices_.find(device);
  return found != devices_.end() && found->second.report.state == DeviceState::kProbation &&
         clock_.Now() >= found->second.canary_at;
}

void DeviceHealth::CanaryFailed(const DeviceId& device) {
  MutexLock lock(mutex_);
  const auto found = devices_.find(device);
  if (found == devices_.end() || found->second.report.state != DeviceState::kProbation) return;
  Entry& entry = found->second;
  entry.wait = std::min(entry.wait * 2, kLongestWait);
  entry.canary_at = clock_.Now() + entry.wait;
}

int DeviceHealth::Subscribe(Listener listener) {
  MutexLock lock(listeners_mutex_);
  listeners_.emplace(++last_subscription_, std::move(listener));
  return last_subscription_;
}

void DeviceHealth::Unsubscribe(int subscription) {
  MutexLock lock(listeners_mutex_);
  listeners_.erase(subscription);
}

void DeviceHealth::Tell(const DeviceReport& report) {
  MutexLock lock(listeners_mutex_);
  for (const auto& [subscription, listener] : listeners_) listener(report);
}

}  // namespace torchferry
