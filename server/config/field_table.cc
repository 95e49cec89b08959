#include "server/config/field_table.h"

#include <algorithm>
#include <array>

namespace torchferry::config {
namespace {

using enum FieldEffect;

constexpr std::string_view kTensorRt = "it is TensorRT's; remove it";

constexpr auto kTable = std::to_array<FieldRule>({
    {"name", kHonoured, ""},
    {"platform", kHonoured, ""},
    {"backend", kHonoured, ""},
    {"runtime", kHonoured, ""},
    {"max_batch_size", kHonoured, ""},
    {"default_model_filename", kHonoured, ""},
    {"parameters", kHonoured, ""},  // each key by parameters.cc

    {"version_policy", kHonoured, ""},
    {"version_policy.latest", kHonoured, ""},
    {"version_policy.latest.num_versions", kHonoured, ""},
    {"version_policy.all", kHonoured, ""},
    {"version_policy.specific", kHonoured, ""},
    {"version_policy.specific.versions", kHonoured, ""},

    {"input", kHonoured, ""},
    {"input.name", kHonoured, ""},
    {"input.data_type", kHonoured, ""},
    {"input.format", kIgnored, "layouts are not converted, tensors reach the model as they are sent"},
    {"input.dims", kHonoured, ""},
    {"input.reshape", kHonoured, ""},
    {"input.reshape.shape", kHonoured, ""},
    {"input.is_shape_tensor", kRefused, kTensorRt},
    {"input.allow_ragged_batch", kRefused,
     "requests of one batch must agree in shape; pad in the client, or set max_batch_size: 0"},
    {"input.optional", kHonoured, ""},
    {"input.is_non_linear_format_io", kRefused, kTensorRt},

    {"output", kHonoured, ""},
    {"output.name", kHonoured, ""},
    {"output.data_type", kHonoured, ""},
    {"output.dims", kHonoured, ""},
    {"output.reshape", kHonoured, ""},
    {"output.reshape.shape", kHonoured, ""},
    {"output.label_filename", kHonoured, ""},
    {"output.is_shape_tensor", kRefused, kTensorRt},
    {"output.is_non_linear_format_io", kRefused, kTensorRt},

    {"batch_input", kRefused, "the server makes no inputs of its own; have clients send the tensor"},
    {"batch_output", kRefused, "outputs are split by rows; have the model return a row for each request row"},

    {"dynamic_batching", kHonoured, ""},
    {"dynamic_batching.preferred_batch_size", kHonoured, ""},
    {"dynamic_batching.max_queue_delay_microseconds", kHonoured, ""},
    {"dynamic_batching.preserve_ordering", kIgnored,
     "each answer goes out when it is there; PredictStream keeps the order of its own requests"},
    {"dynamic_batching.priority_levels", kHonoured, ""},
    {"dynamic_batching.default_priority_level", kHonoured, ""},
    {"dynamic_batching.default_queue_policy", kHonoured, ""},
    {"dynamic_batching.default_queue_policy.timeout_action", kRefused,
     "a request that has waited too long is answered, not delayed; write REJECT or remove it"},
    {"dynamic_batching.default_queue_policy.default_timeout_microseconds", kHonoured, ""},
    {"dynamic_batching.default_queue_policy.allow_timeout_override", kIgnored,
     "a request sets its own limit with its gRPC deadline"},
    {"dynamic_batching.default_queue_policy.max_queue_size", kHonoured, ""},
    {"dynamic_batching.priority_queue_policy", kRefused,
     "all levels wait in one queue and share default_queue_policy; when that is full the lowest level gives way. "
     "Remove it"},
    {"sequence_batching", kRefused,
     "sequences are not batched; remove it, and use PredictStream, which keeps a model's state for "
     "each stream"},
    {"ensemble_scheduling", kRefused,
     "pipelines of models are not run; call the models one after another from the client, or "
     "script them as one"},

    {"instance_group", kHonoured, ""},
    {"instance_group.name", kIgnored, "instances have no names"},
    {"instance_group.kind", kHonoured, ""},
    {"instance_group.count", kHonoured, ""},  // on the CPU warned of above 1 by instance_groups.cc
    {"instance_group.gpus", kHonoured, ""},
    {"instance_group.rate_limiter", kIgnored, "instances run whenever they are free"},
    {"instance_group.secondary_devices", kRefused, "an instance runs on one device; remove it"},
    {"instance_group.profile", kIgnored, "it chooses among TensorRT profiles, which do not exist here"},
    {"instance_group.passive", kRefused, "every instance serves; remove the group"},
    {"instance_group.host_policy", kIgnored, "threads are placed by the operating system"},

    {"cc_model_filenames", kRefused, "one file serves every GPU; put its name in default_model_filename"},
    {"model_operations", kHonoured, ""},
    {"model_operations.op_library_filename", kRefused,
     "libraries of custom operators are native code and are not loaded; export the model with ATen "
     "operators"},
    {"model_transaction_policy", kHonoured, ""},
    {"model_transaction_policy.decoupled", kRefused,
     "a request has exactly one response; return all results in one tensor"},
    {"model_repository_agents", kRefused,
     "files are loaded as they lie in the store; run the agent's work before you put them there"},

    {"optimization", kIgnored, "the server does its own tuning"},
    {"model_warmup", kHonoured, ""},
    {"model_warmup.name", kHonoured, ""},
    {"model_warmup.batch_size", kHonoured, ""},
    {"model_warmup.inputs", kHonoured, ""},  // all that is in them, by warm_up.cc
    {"model_warmup.count", kHonoured, ""},
    {"metric_tags", kIgnored, "metrics carry a fixed set of labels"},
    {"model_metrics", kIgnored, "histograms have fixed buckets"},
    {"response_cache", kHonoured, ""},
    {"response_cache.enable", kIgnored, "responses are not cached, every request runs the model"},

    {"torchferry", kHonoured, ""},
    {"torchferry.device", kHonoured, ""},
    {"torchferry.fallback", kHonoured, ""},
    {"torchferry.fallback_warm", kHonoured, ""},
    {"torchferry.map_location", kHonoured, ""},
    {"torchferry.precision", kHonoured, ""},
    {"torchferry.state_dict", kHonoured, ""},
    {"torchferry.state_dict.architecture", kHonoured, ""},
    {"torchferry.state_dict.key", kHonoured, ""},
    {"torchferry.state_dict.strict", kHonoured, ""},
    {"torchferry.state_dict.strip_prefix", kHonoured, ""},
    {"torchferry.optimize", kHonoured, ""},
    {"torchferry.optimize_budget_seconds", kHonoured, ""},
    {"torchferry.stateful", kHonoured, ""},
    {"torchferry.split_oversized", kHonoured, ""},
    {"torchferry.pad_to", kHonoured, ""},
    {"torchferry.pad_to.sizes", kHonoured, ""},
    {"torchferry.pad_to.mask", kHonoured, ""},
    {"torchferry.pad_to.values", kHonoured, ""},
    {"torchferry.method", kHonoured, ""},
    {"torchferry.program", kHonoured, ""},
    {"torchferry.parity", kHonoured, ""},
});

}  // namespace

std::span<const FieldRule> FieldTable() { return kTable; }

const FieldRule* FindFieldRule(std::string_view path) {
  const auto found =
      std::find_if(kTable.begin(), kTable.end(), [&](const FieldRule& rule) { return rule.path == path; });
  return found == kTable.end() ? nullptr : &*found;
}

}  // namespace torchferry::config
