#include "server/serving/device_health.h"

#include <algorithm>
#include <array>

#include "server/base/logging.h"

namespace torchferry::serving {
namespace {

constexpr base::Duration kFirstWait = std::chrono::milliseconds(250);
constexpr base::Duration kLongestWait = std::chrono::seconds(60);
// A device that has been up for so long starts its next probation from kFirstWait.
constexpr base::Duration kForgiven = std::chrono::seconds(60);

constexpr std::array<std::string_view, 3> kNames = {"up", "probation", "lost"};

}  // namespace

std::string_view Name(DeviceState state) { return kNames.at(static_cast<size_t>(state)); }

void DeviceHealth::Add(const tensor::DeviceId& device) {
  base::MutexLock lock(mutex_);
  Entry& entry = devices_[device];
  entry.report.device = device;
  entry.order = static_cast<int>(devices_.size());
  metrics_.SetDeviceUp(tensor::ToString(device), true);
}

DeviceState DeviceHealth::Get(const tensor::DeviceId& device) const {
  if (device.IsCpu()) return DeviceState::kUp;
  base::MutexLock lock(mutex_);
  const auto found = devices_.find(device);
  return found == devices_.end() ? DeviceState::kUp : found->second.report.state;
}

std::vector<DeviceReport> DeviceHealth::List() const {
  base::MutexLock lock(mutex_);
  std::vector<Entry> entries;
  for (const auto& [device, entry] : devices_) {
    if (!device.IsCpu()) entries.push_back(entry);
  }
  std::ranges::sort(entries, {}, &Entry::order);
  std::vector<DeviceReport> reports;
  for (const Entry& entry : entries) reports.push_back(entry.report);
  return reports;
}

void DeviceHealth::Report(const tensor::DeviceId& device, model::DeviceFault fault, std::string_view why) {
  if (fault != model::DeviceFault::kTransient && fault != model::DeviceFault::kLost) return;
  DeviceReport report;
  {
    base::MutexLock lock(mutex_);
    const auto found = devices_.find(device);
    if (device.IsCpu() || found == devices_.end()) return;
    Entry& entry = found->second;
    const DeviceState next = fault == model::DeviceFault::kLost ? DeviceState::kLost : DeviceState::kProbation;
    if (entry.report.state >= next) return;
    const base::TimePoint now = clock_.Now();
    const bool is_forgiven = entry.wait == base::Duration::zero() || now - entry.up_since >= kForgiven;
    entry.wait = is_forgiven ? kFirstWait : std::min(entry.wait * 2, kLongestWait);
    entry.canary_at = now + entry.wait;
    entry.report.state = next;
    entry.report.why = std::string(why);
    report = entry.report;
    metrics_.SetDeviceUp(tensor::ToString(device), false);
  }
  if (report.state == DeviceState::kLost) {
    base::LogError("device lost", {{"device", tensor::ToString(device)}, {"reason", why}});
  } else {
    base::LogWarning("device on probation", {{"device", tensor::ToString(device)}, {"reason", why}});
  }
  listeners_.Tell(report);
}

void DeviceHealth::ReportSound(const tensor::DeviceId& device) {
  DeviceReport report;
  {
    base::MutexLock lock(mutex_);
    const auto found = devices_.find(device);
    if (found == devices_.end() || found->second.report.state != DeviceState::kProbation) return;
    Entry& entry = found->second;
    entry.report.state = DeviceState::kUp;
    entry.report.why.clear();
    entry.up_since = clock_.Now();
    report = entry.report;
    metrics_.SetDeviceUp(tensor::ToString(device), true);
  }
  base::LogInfo("device up again", {{"device", tensor::ToString(device)}});
  listeners_.Tell(report);
}

bool DeviceHealth::IsCanaryDue(const tensor::DeviceId& device) const {
  base::MutexLock lock(mutex_);
  const auto found = devices_.find(device);
  return found != devices_.end() && found->second.report.state == DeviceState::kProbation &&
         clock_.Now() >= found->second.canary_at;
}

void DeviceHealth::CanaryFailed(const tensor::DeviceId& device) {
  base::MutexLock lock(mutex_);
  const auto found = devices_.find(device);
  if (found == devices_.end() || found->second.report.state != DeviceState::kProbation) return;
  Entry& entry = found->second;
  entry.wait = std::min(entry.wait * 2, kLongestWait);
  entry.canary_at = clock_.Now() + entry.wait;
}

}  // namespace torchferry::serving
