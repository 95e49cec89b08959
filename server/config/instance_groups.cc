// instance_group: how many copies of the model run, and on what.
#include <set>

#include "server/config/sections.h"

namespace torchferry::config {
namespace {

constexpr int kInstancesOfBatches = 2;

// More is a slip of the pen: each instance is a worker.
constexpr int32_t kMaxCount = 1024;

constexpr int32_t kMaxGpuIndex = 127;  // as ParseDeviceId

using GroupSource = Source<inference::ModelInstanceGroup>;

InstanceGroup::Kind ToKind(inference::ModelInstanceGroup::Kind kind) {
  switch (kind) {
    case inference::ModelInstanceGroup::KIND_CPU:
      return InstanceGroup::Kind::kCpu;
    case inference::ModelInstanceGroup::KIND_GPU:
      return InstanceGroup::Kind::kGpu;
    default:
      return InstanceGroup::Kind::kAuto;
  }
}

std::vector<int32_t> ReadGpus(const GroupSource& source) {
  const auto& gpus = source.message.gpus();
  const auto kind = source.message.kind();
  if (!gpus.empty() &&
      (kind == inference::ModelInstanceGroup::KIND_CPU || kind == inference::ModelInstanceGroup::KIND_MODEL)) {
    source.findings.Error(source.positions.Of("gpus"),
                          "instance_group of {} names the GPU {}; expected no gpus, or KIND_GPU",
                          inference::ModelInstanceGroup::Kind_Name(kind), gpus[0]);
  }
  std::set<int32_t> seen;
  for (int i = 0; i < gpus.size(); ++i) {
    const TextPosition at = source.positions.Of("gpus", i);
    if (gpus[i] < 0 || gpus[i] > kMaxGpuIndex) {
      source.findings.Error(at, "instance_group.gpus has {}; expected 0 to {}", gpus[i], kMaxGpuIndex);
    } else if (!seen.insert(gpus[i]).second) {
      source.findings.Error(at,
                            "instance_group.gpus has {} twice; expected each GPU once, and count for "
                            "the copies on it",
                            gpus[i]);
    }
  }
  return {gpus.begin(), gpus.end()};
}

InstanceGroup ReadGroup(const GroupSource& source) {
  InstanceGroup group;
  group.kind = ToKind(source.message.kind());
  const int32_t count = source.message.count();
  if (count < 0 || count > kMaxCount) {
    source.findings.Error(source.positions.Of("count"), "instance_group.count is {}; expected 1 to {}", count,
                          kMaxCount);
  }
  if (count > 1 && group.kind == InstanceGroup::Kind::kCpu) {
    source.findings.Warn(source.positions.Of("count"),
                         "instance_group.count is {} and has no effect on the CPU: the server's worker threads "
                         "run all models",
                         count);
  }
  if (count > 0) {
    group.count = count;
    group.is_count_given = true;
  }
  group.gpus = ReadGpus(source);
  return group;
}

// A model runs on one device for now: the first that is named.
void WarnOfFurtherDevices(const ConfigSource& source) {
  const auto& groups = source.message.instance_group();
  for (int i = 0; i < groups.size(); ++i) {
    const TextPositions& positions = source.positions.In("instance_group", i);
    if (groups[i].gpus_size() > 1) {
      source.findings.Warn(positions.Of("gpus", 1), "instance_group.gpus names {} GPUs; the model runs on one, for now",
                           groups[i].gpus_size());
    }
    if (i == 1) {
      source.findings.Warn(positions.at(), "there are {} instance_groups; the model runs on one device, for now",
                           groups.size());
    }
  }
}

}  // namespace

void ReadInstanceGroups(const ConfigSource& source, ModelConfig& config) {
  const auto& groups = source.message.instance_group();
  WarnOfFurtherDevices(source);
  for (int i = 0; i < groups.size(); ++i) {
    const TextPositions& positions = source.positions.In("instance_group", i);
    config.instance_groups.push_back(ReadGroup({groups[i], positions, source.findings}));
    if (groups[i].kind() != inference::ModelInstanceGroup::KIND_MODEL) continue;
    if (groups.size() > 1) {
      source.findings.Error(positions.Of("kind"), "instance_group of KIND_MODEL is one of {} groups; expected it alone",
                            groups.size());
    }
    if (config.device.empty()) config.device = "saved";
  }
}

int InstancesOnAccelerator(const ModelConfig& config, bool is_stateful) {
  for (const InstanceGroup& group : config.instance_groups) {
    if (group.kind != InstanceGroup::Kind::kCpu && group.is_count_given) return group.count;
  }
  return !is_stateful && config.dynamic_batching.has_value() && config.max_batch_size > 0 ? kInstancesOfBatches : 0;
}

}  // namespace torchferry::config
