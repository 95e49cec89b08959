// Configurations that are right: Triton repositories of the PyTorch backend as people write them,
// and torchferry's own.
#include "server/config/model_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "server/base/status.h"

namespace torchferry::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

ModelConfig Parse(std::string_view text) {
  const auto config = ParseModelConfig(text, "net/config.pbtxt", "net");
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? *config : ModelConfig{};
}

TEST(ModelConfigTest, TimeoutsAreParameters) {
  const auto config = ParseModelConfig(
      "parameters { key: \"forward_timeout_seconds\" value { string_value: \"0.5\" } }\n"
      "parameters { key: \"load_timeout_seconds\" value { string_value: \"86400\" } }\n",
      "net/config.pbtxt", "net");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->forward_timeout_seconds, 0.5);
  EXPECT_EQ(config->load_timeout_seconds, 86400);
  EXPECT_THAT(config->warnings, ::testing::IsEmpty());
  EXPECT_FALSE(ParseModelConfig("", "net/config.pbtxt", "net")->forward_timeout_seconds.has_value());
  for (const char* wrong : {"", "0", "-1", "86401", "nan", "inf", "1e999", "1s", "0x10", " 1"}) {
    const auto refused = ParseModelConfig(
        fmt::format("parameters {{ key: \"forward_timeout_seconds\" value {{ string_value: \"{}\" }} }}\n", wrong),
        "net/config.pbtxt", "net");
    EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument) << wrong;
    EXPECT_THAT(base::MessageOf(refused.status()), HasSubstr("expected seconds, more than 0 and at most 86400"))
        << wrong;
  }
}

TEST(ModelConfigTest, EmptyFileIsTheDefaults) {
  const ModelConfig config = Parse("");
  EXPECT_EQ(config.name, "net");
  EXPECT_EQ(config.max_batch_size, 0);
  EXPECT_EQ(config.version_policy.kind, VersionPolicy::Kind::kLatest);
  EXPECT_EQ(config.version_policy.latest, 1);
  EXPECT_EQ(config.dynamic_batching, std::nullopt);
  EXPECT_THAT(config.instance_groups, IsEmpty());
  EXPECT_EQ(config.device, "");
  EXPECT_EQ(config.fallback, FallbackPolicy::kCpu);
  EXPECT_EQ(config.precision, Precision::kAuto);
  EXPECT_TRUE(config.state_dict.strict);
  EXPECT_EQ(config.state_dict.strip_prefix, std::nullopt);
  EXPECT_THAT(config.warnings, IsEmpty());
}

TEST(ModelConfigTest, ReadsATritonPyTorchModel) {
  const ModelConfig config = Parse(R"(
# An image classifier.
name: "net"
platform: "pytorch_libtorch"
max_batch_size: 128
input [
  {
    name: "INPUT__0"
    data_type: TYPE_FP32
    format: FORMAT_NCHW
    dims: [ 3, -1, -1 ]
  }
]
output [
  {
    name: "OUTPUT__0"
    data_type: TYPE_FP32
    dims: [ 1000, 1, 1 ]
    reshape { shape: [ 1000 ] }
  }
]
instance_group [
  {
    count: 2
    kind: KIND_GPU
    gpus: [ 0, 1 ]
  },
  { kind: KIND_CPU }
]
dynamic_batching {
  preferred_batch_size: [ 64, 16, 16 ]
  max_queue_delay_microseconds: 500
  default_queue_policy { timeout_action: REJECT default_timeout_microseconds: 100000 max_queue_size: 32 }
}
version_policy: { specific: { versions: [ 1, 3 ] } }
default_model_filename: "model_int8.pt"
)");
  EXPECT_EQ(config.max_batch_size, 128);
  ASSERT_EQ(config.inputs.size(), 1U);
  EXPECT_EQ(config.inputs[0].name, "INPUT__0");
  EXPECT_EQ(config.inputs[0].dtype, tensor::DType::kFp32);
  EXPECT_THAT(config.inputs[0].dims, ElementsAre(3, tensor::kAnyDim, tensor::kAnyDim));
  EXPECT_EQ(config.inputs[0].reshape, std::nullopt);
  ASSERT_EQ(config.outputs.size(), 1U);
  EXPECT_THAT(config.outputs[0].dims, ElementsAre(1000, 1, 1));
  EXPECT_EQ(config.outputs[0].reshape, tensor::Shape{1000});
  ASSERT_EQ(config.instance_groups.size(), 2U);
  EXPECT_EQ(config.instance_groups[0].kind, InstanceGroup::Kind::kGpu);
  EXPECT_EQ(config.instance_groups[0].count, 2);
  EXPECT_THAT(config.instance_groups[0].gpus, ElementsAre(0, 1));
  EXPECT_EQ(config.instance_groups[1].kind, InstanceGroup::Kind::kCpu);
  EXPECT_EQ(config.instance_groups[1].count, 1);
  ASSERT_TRUE(config.dynamic_batching);
  EXPECT_THAT(config.dynamic_batching->preferred_batch_sizes, ElementsAre(16, 64));
  EXPECT_EQ(config.dynamic_batching->max_queue_delay, std::chrono::microseconds(500));
  EXPECT_EQ(config.dynamic_batching->default_queue_timeout, std::chrono::milliseconds(100));
  EXPECT_EQ(config.dynamic_batching->max_queue_size, 32);
  EXPECT_EQ(config.version_policy.kind, VersionPolicy::Kind::kSpecific);
  EXPECT_THAT(config.version_policy.specific, ElementsAre(1, 3));
  EXPECT_EQ(config.default_model_filename, "model_int8.pt");
  EXPECT_THAT(config.warnings,
              ElementsAre(HasSubstr(":10:13: input.format has no effect: "),
                          HasSubstr(":26:16: instance_group.gpus names 2 GPUs; the model runs on one"),
                          HasSubstr(":28:3: there are 2 instance_groups; the model runs on one device")));
}

TEST(ModelConfigTest, ReadsATextModelWithParameters) {
  const ModelConfig config = Parse(R"(
backend: "pytorch"
input [
  { name: "INPUT__0" data_type: TYPE_INT64 dims: [ -1 ] },
  { name: "INPUT__1" data_type: TYPE_INT64 dims: [ -1 ] optional: true }
]
output { name: "last_hidden_state" data_type: TYPE_FP16 dims: [ -1, 384 ] }
parameters: {
key: "DISABLE_OPTIMIZED_EXECUTION"
    value: {
    string_value:"true"
    }
}
parameters { key: "INFERENCE_MODE" value { string_value: "True" } }
parameters { key: "INTRA_OP_THREAD_COUNT" value: { string_value: "4" } }
parameters { key: "my_note" value: { string_value: "" } }
)");
  EXPECT_FALSE(config.inputs[0].is_optional);
  EXPECT_TRUE(config.inputs[1].is_optional);
  EXPECT_EQ(config.outputs[0].dtype, tensor::DType::kFp16);
  EXPECT_THAT(config.parameters,
              UnorderedElementsAre(Pair("DISABLE_OPTIMIZED_EXECUTION", "true"), Pair("INFERENCE_MODE", "True"),
                                   Pair("INTRA_OP_THREAD_COUNT", "4"), Pair("my_note", "")));
  EXPECT_THAT(config.warnings,
              ElementsAre(HasSubstr("net/config.pbtxt:8:1: parameter DISABLE_OPTIMIZED_EXECUTION has no effect: "),
                          HasSubstr("net/config.pbtxt:15:1: parameter INTRA_OP_THREAD_COUNT has no effect: "),
                          HasSubstr("net/config.pbtxt:16:1: parameter \"my_note\" has no effect: ")));
}

TEST(ModelConfigTest, ReadsEveryDataType) {
  const std::pair<std::string_view, tensor::DType> types[] = {
      {"BOOL", tensor::DType::kBool},     {"UINT8", tensor::DType::kUint8},   {"UINT16", tensor::DType::kUint16},
      {"UINT32", tensor::DType::kUint32}, {"UINT64", tensor::DType::kUint64}, {"INT8", tensor::DType::kInt8},
      {"INT16", tensor::DType::kInt16},   {"INT32", tensor::DType::kInt32},   {"INT64", tensor::DType::kInt64},
      {"FP16", tensor::DType::kFp16},     {"BF16", tensor::DType::kBf16},     {"FP32", tensor::DType::kFp32},
      {"FP64", tensor::DType::kFp64}};
  for (const auto& [name, dtype] : types) {
    const ModelConfig config = Parse(fmt::format("input {{ name: 'x' data_type: TYPE_{} dims: 1 }}", name));
    ASSERT_EQ(config.inputs.size(), 1U);
    EXPECT_EQ(config.inputs[0].dtype, dtype) << name;
  }
}

TEST(ModelConfigTest, ReshapesThatKeepTheElementsAreRead) {
  const ModelConfig config = Parse(R"(
max_batch_size: 4
input { name: "a" data_type: TYPE_FP32 dims: [ 2, 4, -1, 6 ] reshape { shape: [ 8, -1, 1, 6 ] } }
input { name: "b" data_type: TYPE_FP32 dims: [ 1 ] reshape { shape: [ ] } }
input { name: "c" data_type: TYPE_FP32 dims: [ -1, -1 ] reshape { shape: [ 1, -1, -1 ] } }
)");
  ASSERT_EQ(config.inputs.size(), 3U);
  EXPECT_EQ(config.inputs[0].reshape, (tensor::Shape{8, -1, 1, 6}));
  EXPECT_EQ(config.inputs[1].reshape, tensor::Shape{});
  EXPECT_EQ(config.inputs[2].reshape, (tensor::Shape{1, -1, -1}));
}

TEST(ModelConfigTest, InputsAndOutputsMayShareAName) {
  const ModelConfig config = Parse(
      "input { name: 'x' data_type: TYPE_FP32 dims: 1 } output { name: 'x' data_type: TYPE_FP32 "
      "dims: 1 }");
  EXPECT_EQ(config.inputs.size(), 1U);
  EXPECT_EQ(config.outputs.size(), 1U);
}

TEST(ModelConfigTest, ReadsTheVersionPolicies) {
  EXPECT_EQ(Parse("version_policy { all { } }").version_policy.kind, VersionPolicy::Kind::kAll);
  EXPECT_EQ(Parse("version_policy { latest { num_versions: 3 } }").version_policy.latest, 3);
}

TEST(ModelConfigTest, InstancesOfTheCpuAreTheWorkers) {
  EXPECT_THAT(Parse("instance_group { kind: KIND_CPU\ncount: 2 }").warnings,
              ElementsAre(HasSubstr(":2:8: instance_group.count is 2 and has no effect on the CPU: ")));
}

TEST(ModelConfigTest, BatchesAtTheSameTimeOnAnAccelerator) {
  const std::string batching = "max_batch_size: 8 dynamic_batching { } ";
  EXPECT_EQ(InstancesOnAccelerator(Parse(batching), false), 2);
  EXPECT_EQ(InstancesOnAccelerator(Parse(batching + "instance_group { kind: KIND_GPU }"), false), 2);
  EXPECT_EQ(InstancesOnAccelerator(
                Parse(batching + "instance_group { kind: KIND_CPU count: 3 } instance_group { count: 1 }"), false),
            1);
  EXPECT_EQ(InstancesOnAccelerator(Parse(batching + "instance_group { kind: KIND_GPU count: 5 }"), false), 5);
  EXPECT_EQ(InstancesOnAccelerator(Parse(batching), /*is_stateful=*/true), 0);
  EXPECT_EQ(InstancesOnAccelerator(Parse(batching + "instance_group { count: 3 }"), /*is_stateful=*/true), 3);
  EXPECT_EQ(InstancesOnAccelerator(Parse("max_batch_size: 8"), false), 0);
  EXPECT_EQ(InstancesOnAccelerator(Parse("instance_group { kind: KIND_GPU count: 3 }"), false), 3);
}

TEST(ModelConfigTest, InstanceCountZeroIsOne) {
  const ModelConfig config = Parse("instance_group { } instance_group { count: 0 gpus: 2 }");
  ASSERT_EQ(config.instance_groups.size(), 2U);
  EXPECT_EQ(config.instance_groups[0].kind, InstanceGroup::Kind::kAuto);
  EXPECT_EQ(config.instance_groups[0].count, 1);
  EXPECT_EQ(config.instance_groups[1].count, 1);
  EXPECT_THAT(config.instance_groups[1].gpus, ElementsAre(2));
}

TEST(ModelConfigTest, KindModelMeansTheSavedDeviceUnlessTorchferrySaysOtherwise) {
  EXPECT_EQ(Parse("instance_group { kind: KIND_MODEL }").device, "saved");
  EXPECT_EQ(Parse("instance_group { kind: KIND_MODEL } torchferry { device: 'cpu' }").device, "cpu");
}

TEST(ModelConfigTest, ReadsTorchferrysOwnFields) {
  const ModelConfig config = Parse(R"(
torchferry {
  device: "saved"
  fallback: NONE
  map_location { key: "cuda:0" value: "cuda:1" }
  map_location { key: "cuda" value: "cpu" }
  precision: BF16
  method: "encode_image"
  program: "text encoder"
  state_dict { architecture: "net.py" key: "ema.model" strict: false strip_prefix: "net." }
}
)");
  EXPECT_EQ(config.device, "saved");
  EXPECT_EQ(config.fallback, FallbackPolicy::kNone);
  EXPECT_THAT(config.map_location, UnorderedElementsAre(Pair("cuda:0", "cuda:1"), Pair("cuda", "cpu")));
  EXPECT_EQ(config.precision, Precision::kBf16);
  EXPECT_EQ(config.state_dict.architecture, "net.py");
  EXPECT_FALSE(config.state_dict.strict);
  EXPECT_TRUE(config.state_dict.is_declared);
  EXPECT_EQ(config.state_dict.key, "ema.model");
  EXPECT_EQ(config.state_dict.strip_prefix, "net.");
  EXPECT_EQ(config.method, "encode_image");
  EXPECT_EQ(config.program, "text encoder");
  EXPECT_THAT(config.warnings, IsEmpty());
}

TEST(ModelConfigTest, ABatchSizeOfZeroIsToldFromNone) {
  EXPECT_FALSE(Parse("").is_max_batch_size_given);
  EXPECT_TRUE(Parse("max_batch_size: 0").is_max_batch_size_given);
  EXPECT_TRUE(Parse("max_batch_size: 8").is_max_batch_size_given);
}

TEST(ModelConfigTest, ReadsEveryDeviceForm) {
  for (const std::string_view device : {"auto", "cpu", "cuda", "cuda:0", "cuda:7", "saved", "sim:0"}) {
    EXPECT_EQ(Parse(fmt::format("torchferry {{ device: '{}' }}", device)).device, device);
  }
}

TEST(ModelConfigTest, ReadsEveryPrecision) {
  EXPECT_EQ(Parse("torchferry { precision: KEEP fallback: CPU }").precision, Precision::kKeep);
  EXPECT_EQ(Parse("torchferry { precision: FP32 }").precision, Precision::kFp32);
  EXPECT_EQ(Parse("torchferry { precision: FP16 }").precision, Precision::kFp16);
  EXPECT_EQ(Parse("torchferry { precision: AUTO }").precision, Precision::kAuto);
}

TEST(ModelConfigTest, ReadsWarmUps) {
  const ModelConfig config = Parse(R"(max_batch_size: 4
input [ { name: "x" data_type: TYPE_FP32 dims: [ 3, -1 ] }, { name: "m" data_type: TYPE_INT64 dims: 1 optional: true } ]
model_warmup {
  name: "both" batch_size: 4 count: 3
  inputs { key: "x" value { data_type: TYPE_FP32 dims: [ 3, 5 ] random_data: true } }
  inputs { key: "m" value { data_type: TYPE_INT64 dims: 1 input_data_file: "m.bin" } }
}
model_warmup { batch_size: 1 inputs { key: "x" value { data_type: TYPE_FP32 dims: 3 dims: 1 zero_data: true } } })");
  EXPECT_THAT(config.warnings, IsEmpty());
  ASSERT_EQ(config.warm_ups.size(), 2u);
  const WarmUp& both = config.warm_ups[0];
  EXPECT_EQ(both.name, "both");
  EXPECT_EQ(both.batch_size, 4);
  EXPECT_EQ(both.count, 3);
  ASSERT_EQ(both.inputs.size(), 2u);
  EXPECT_EQ(both.inputs[0].name, "x");
  EXPECT_EQ(both.inputs[0].data, WarmUpInput::Data::kRandom);
  EXPECT_THAT(both.inputs[0].dims, ElementsAre(3, 5));
  EXPECT_EQ(both.inputs[1].dtype, tensor::DType::kInt64);
  EXPECT_EQ(both.inputs[1].file, "m.bin");
  EXPECT_EQ(config.warm_ups[1].count, 1);
  EXPECT_EQ(config.warm_ups[1].inputs.at(0).data, WarmUpInput::Data::kZero);
}

TEST(ModelConfigTest, WarnsOfWhatHasNoEffectInTheOrderOfTheFile) {
  const ModelConfig config = Parse(R"(max_batch_size: 2
optimization { cuda { graphs: true } }
model_warmup [ { name: "zeros" } ]
output { name: "y" data_type: TYPE_FP32 dims: 1 label_filename: "labels.txt" }
dynamic_batching { preserve_ordering: true }
instance_group [ { name: "a" rate_limiter { priority: 1 } profile: "0" host_policy: "h" } ]
response_cache { enable: true }
metric_tags { key: "team" value: "a" }
torchferry { device: "cpu" map_location { key: "cuda" value: "cpu" } }
)");
  EXPECT_THAT(config.warnings, ElementsAre(HasSubstr(":2:1: optimization has no effect: "),
                                           HasSubstr(":3:16: model_warmup \"zeros\" has no effect: "),
                                           HasSubstr(":5:39: dynamic_batching.preserve_ordering has no effect: "),
                                           HasSubstr(":6:26: instance_group.name has no effect: "),
                                           HasSubstr(":6:30: instance_group.rate_limiter has no effect: "),
                                           HasSubstr(":6:68: instance_group.profile has no effect: "),
                                           HasSubstr(":6:85: instance_group.host_policy has no effect: "),
                                           HasSubstr(":7:26: response_cache.enable has no effect: "),
                                           HasSubstr(":8:1: metric_tags has no effect: "),
                                           HasSubstr(":9:28: torchferry.map_location has no effect: ")));
}

TEST(ModelConfigTest, WhatIsSetToItsDefaultIsNeitherRefusedNorWarnedOf) {
  const ModelConfig config = Parse(R"(
max_batch_size: 2
input { name: "x" data_type: TYPE_FP32 dims: 1 format: FORMAT_NONE allow_ragged_batch: false }
dynamic_batching { preserve_ordering: false priority_levels: 1 default_queue_policy { timeout_action: REJECT } }
instance_group { passive: false }
model_operations { }
model_transaction_policy { decoupled: false }
response_cache { enable: false }
runtime: "libtriton_pytorch.so"
parameters { key: "DISABLE_CUDNN" value { string_value: "false" } }
parameters { key: "ENABLE_WEIGHT_SHARING" value { string_value: "1" } }
)");
  EXPECT_THAT(config.warnings, IsEmpty());
}

TEST(ModelConfigTest, OfAMapKeyGivenTwiceTheLastCountsAndAWarningSaysSo) {
  const ModelConfig config = Parse(R"(
parameters { key: "INFERENCE_MODE" value { string_value: "false" } }
parameters { key: "INFERENCE_MODE" value { string_value: "true" } }
)");
  EXPECT_THAT(config.parameters, ElementsAre(Pair("INFERENCE_MODE", "true")));
  EXPECT_THAT(config.warnings, ElementsAre(HasSubstr(":3:1: parameters has the key \"INFERENCE_MODE\" twice")));
}

TEST(ModelConfigTest, PlacesOfManyParametersStayWithTheirKeys) {
  std::string text;
  for (int i = 0; i < 50; ++i) {
    text += fmt::format("parameters {{ key: \"p{}\" value {{ string_value: \"v\" }} }}\n", i);
  }
  const ModelConfig config = Parse(text);
  ASSERT_EQ(config.warnings.size(), 50U);
  for (size_t i = 0; i < 50; ++i) {
    EXPECT_THAT(config.warnings[i], HasSubstr(fmt::format(":{}:1: parameter \"p{}\" ", i + 1, i)));
  }
}

}  // namespace
}  // namespace torchferry::config
