// Wrong configurations: each is refused at its line and column, and says which value is wrong and
// what would be right.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "server/base/status.h"
#include "server/config/model_config.h"

namespace torchferry::config {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

struct WrongConfig {
  std::string_view name;
  std::string text;
  std::string_view at;  // "LINE:COLUMN"
  std::string message;  // the beginning of what follows
};

void PrintTo(const WrongConfig& config, std::ostream* out) { *out << config.name; }

class WrongConfigTest : public testing::TestWithParam<WrongConfig> {};

TEST_P(WrongConfigTest, IsRefusedWithPlaceAndReason) {
  const auto config = ParseModelConfig(GetParam().text, "net/config.pbtxt", "net");
  ASSERT_FALSE(config.ok());
  EXPECT_EQ(config.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(base::MessageOf(config.status()),
              StartsWith(fmt::format("net/config.pbtxt:{}: {}", GetParam().at, GetParam().message)));
}

std::string ParamName(const testing::TestParamInfo<WrongConfig>& info) { return std::string(info.param.name); }

// An input of the name x around `rest`.
std::string Input(std::string_view rest) { return fmt::format("input {{ name: 'x' {} }}", rest); }

std::string Repeated(std::string_view piece, int times) {
  std::string text;
  for (int i = 0; i < times; ++i) text += piece;
  return text;
}

const std::vector<WrongConfig> kSyntax = {
    {"UnclosedMessage", "input {\n  name: 'x'\n", "3:1", "expected identifier, found the end of the file"},
    {"UnclosedList", "input [ { name: 'x' }\n", "2:1", "input: expected \",\", found the end of the file"},
    {"UnclosedString", "name: \"net\nbackend: \"pytorch\"", "1:11", "string literals cannot cross line boundaries"},
    {"MissingColon", "max_batch_size 8", "1:16", "max_batch_size: expected \":\", found \"8\""},
    {"StrayBrace", "name: 'net'\n}", "2:1", "expected identifier, got: }"},
    {"StringForNumber", "max_batch_size: \"8\"", "1:17", "max_batch_size: expected integer, got: \"8\""},
    {"FractionForNumber", Input("dims: [ 1.5 ]"), "1:27", "dims: expected integer, got: 1.5"},
    {"NumberTooLarge", "max_batch_size: 99999999999", "1:17", "max_batch_size: integer out of range (99999999999)"},
    {"NegativeForUnsigned", "version_policy { latest { num_versions: -1 } }", "1:41",
     "num_versions: expected integer, got: -"},
    {"WordForBool", Input("\n optional: perhaps\n dims: 1"), "2:12", "optional is perhaps; expected true or false"},
    {"FieldTwice", "name: 'net'\nname: 'net'", "2:1", "name is given twice; expected once"},
    {"TwoSchedulers", "max_batch_size: 4\ndynamic_batching {}\n\nsequence_batching {}", "4:1",
     "dynamic_batching and sequence_batching are both given; expected one of them"},
    {"ListForMessage", "input: 3", "1:8", "input: expected \"{\", found \"3\""},
    {"NotText", std::string("PK\x03\x04\0\0", 6), "1:3", ""},
};

const std::vector<WrongConfig> kUnknownNames = {
    {"MisspeltField", "name: 'net'\n  max_batchsize: 4", "2:3",
     "ModelConfig has no field max_batchsize; did you mean max_batch_size?"},
    {"MisspeltNestedField", "input [\n {\n  name: 'x'\n  data_typ: TYPE_FP32\n }\n]", "4:3",
     "ModelInput has no field data_typ; did you mean data_type?"},
    {"FieldAtTheWrongLevel", "preferred_batch_size: [ 4 ]", "1:1",
     "ModelConfig has no field preferred_batch_size; did you mean "
     "dynamic_batching.preferred_batch_size?"},
    {"OwnFieldAtTheTop", "device: \"cuda\"", "1:1", "ModelConfig has no field device; did you mean torchferry.device?"},
    {"ForeignField", "version_policy { newest: 3 }", "1:18",
     "ModelVersionPolicy has no field newest; expected one of latest, all, specific"},
    {"UnknownDataType", Input("\n  data_type: TYPE_FLOAT\n  dims: [ 1 ]"), "2:14",
     "data_type is TYPE_FLOAT; expected one of TYPE_BOOL, TYPE_UINT8, "},
    {"DataTypeWithoutPrefix", Input("data_type: FP32"), "1:30", "data_type is FP32; expected one of "},
    {"UnknownKind", "instance_group [ { count: 1 kind: GPU } ]", "1:35",
     "kind is GPU; expected one of KIND_AUTO, KIND_GPU, KIND_CPU, KIND_MODEL; did you mean "
     "KIND_GPU?"},
    {"UnknownFallback", "torchferry { fallback: GPU }", "1:24", "fallback is GPU; expected one of CPU, NONE"},
    {"UnknownPrecision", "torchferry { precision: INT8 }", "1:25",
     "precision is INT8; expected one of AUTO, KEEP, FP32, FP16, BF16"},
    {"UnknownEnumNumber", "torchferry { fallback: 7 }", "1:24", "fallback is 7; expected one of CPU, NONE"},
};

const std::vector<WrongConfig> kGeneral = {
    {"OtherName", "name: 'nett'", "1:7", "name is \"nett\"; expected the folder's name, \"net\""},
    {"OnnxPlatform", "name: 'net'\nplatform: 'onnxruntime_onnx'", "2:11",
     "platform is \"onnxruntime_onnx\"; expected \"pytorch_libtorch\" or \"torchferry\"; this "
     "server runs "
     "PyTorch models"},
    {"PythonBackend", "backend: 'python'", "1:10",
     "backend is \"python\"; expected \"pytorch\" or \"torchferry\"; no Python runs here"},
    {"PythonRuntime", "backend: 'pytorch' runtime: 'model.py'", "1:29", "runtime is \"model.py\"; expected nothing"},
    {"NegativeBatch", "max_batch_size: -1", "1:17", "max_batch_size is -1; expected 0 "},
    {"FileWithPath", "default_model_filename: '../../etc/passwd'", "1:25",
     "default_model_filename is \"../../etc/passwd\"; expected the name of a file"},
    {"FileWithNul", "default_model_filename: 'a\\000b'", "1:25",
     "default_model_filename is \"a\\u0000b\"; expected the name of a file"},
    {"NotUtf8", "parameters { key: 'a' value { string_value: '\\xff' } }", "1:45", "string_value is not UTF-8"},
    {"RawBytes", "\nmetric_tags { key: 'a' value: '\xed\xa0\x80' }", "2:31", "value is not UTF-8"},
};

const std::vector<WrongConfig> kTensors = {
    {"NoInputName", "input { data_type: TYPE_FP32 dims: 1 }", "1:1", "an input has no name"},
    {"NoOutputName", "output [\n {}\n]", "2:2", "an output has no name; expected one"},
    {"SameInputNames",
     "input [ { name: 'x' data_type: TYPE_FP32 dims: 1 },\n { name: 'x' data_type: TYPE_FP32 dims: "
     "1 } ]",
     "2:10", "two inputs are called \"x\"; expected different names"},
    {"SameOutputNames",
     "output { name: 'y' data_type: TYPE_FP32 dims: 1 }\noutput { name: 'y' data_type: TYPE_FP32 "
     "dims: 1 }",
     "2:16", "two outputs are called \"y\"; expected different names"},
    {"NoDataType", Input("dims: 1"), "1:1", "input \"x\" has no data_type; expected one"},
    {"InvalidDataType", Input("data_type: TYPE_INVALID dims: 1"), "1:30", "input \"x\" has no data_type; expected one"},
    {"Strings", "output { name: 'y' dims: 1\n data_type: TYPE_STRING }", "2:13",
     "data_type of output \"y\" is TYPE_STRING; expected a number"},
    {"NoDims", Input("data_type: TYPE_FP32"), "1:1", "input \"x\" has no dims; expected them"},
    {"EmptyDims", Input("data_type: TYPE_FP32 dims: []"), "1:1", "input \"x\" has no dims"},
    {"SizeZero", Input("data_type: TYPE_FP32\n dims: [ 3, 0, -1 ]"), "2:13",
     "dims of input \"x\" has the size 0; expected 1 or more, or -1 where any size will do"},
    {"SizeBelowMinusOne", Input("data_type: TYPE_FP32 dims: 3 dims: -2"), "1:54",
     "dims of input \"x\" has the size -2; expected 1 or more"},
    {"TooManyElements", Input("data_type: TYPE_FP32 dims: [ 4294967296, -1, 4294967296 ]"), "1:48",
     "dims of input \"x\" is [4294967296, -1, 4294967296], more than 2^63-1 elements"},
    {"ReshapeOfOtherCount", "output { name: 'y' data_type: TYPE_FP32 dims: [ 2, 6 ]\n reshape { shape: [ 3, 5 ] } }",
     "2:2", "reshape of output \"y\" is [3, 5]; expected as many elements as in dims [2, 6]"},
    {"ReshapeAcrossFreeSizes", Input("data_type: TYPE_FP32 dims: [ 4, -1, 6 ] reshape { shape: [ 6, -1, 4 ] }"), "1:59",
     "reshape of input \"x\" is [6, -1, 4]; expected as many elements"},
    {"ReshapeWithSizeZero", Input("data_type: TYPE_FP32 dims: [ 1 ] reshape { shape: [ 0 ] }"), "1:71",
     "reshape of input \"x\" has the size 0; expected 1 or more"},
    {"EmptyReshapeWithoutBatch", Input("data_type: TYPE_FP32 dims: [ 1 ] reshape {}"), "1:52",
     "reshape of input \"x\" has no shape; expected one"},
    {"EmptyReshapeOfMany", "max_batch_size: 8 " + Input("data_type: TYPE_FP32 dims: [ 2 ] reshape {}"), "1:70",
     "reshape of input \"x\" is []; expected as many elements as in dims [2]"},
    {"Ragged", Input("data_type: TYPE_FP32 dims: 1 allow_ragged_batch: true"), "1:68",
     "input.allow_ragged_batch is not supported: requests of one batch must agree in shape"},
    {"ShapeTensor", Input("data_type: TYPE_INT32 dims: 1 is_shape_tensor: true"), "1:66",
     "input.is_shape_tensor is not supported"},
    {"TooManySizes", Input("data_type: TYPE_FP32 dims: [ 1" + Repeated(", 1", 64) + " ]"), "1:48",
     "dims of input \"x\" has 65 sizes; expected at most 64"},
    {"ReshapeOfTooManySizes",
     Input("data_type: TYPE_FP32 dims: 1\n reshape { shape: [ 1" + Repeated(", 1", 64) + " ] }"), "2:21",
     "reshape of input \"x\" has 65 sizes; expected at most 64"},
    {"RowOfGibibytes", Input("data_type: TYPE_FP32\n dims: [ 16385, -1, 16384 ]"), "2:10",
     "dims of input \"x\" is [16385, -1, 16384]: with it a row has more than 1073741824 bytes"},
    {"RowOfGibibytesInAllInputs",
     "input { name: 'a' data_type: TYPE_FP32 dims: [ 16384, 16384 ] }\n"
     "input { name: 'b' data_type: TYPE_INT8 dims: [ 1000000, 1000000 ] optional: true }\n"
     "input { name: 'c' data_type: TYPE_BOOL dims: 1 }",
     "3:46", "dims of input \"c\" is [1]: with it a row has more than 1073741824 bytes"},
};

const std::vector<WrongConfig> kVersions = {
    {"EmptyPolicy", "version_policy { }", "1:1", "version_policy is empty; expected latest {"},
    {"LatestZero", "version_policy { latest { num_versions: 0 } }", "1:41",
     "version_policy.latest.num_versions is 0; expected 1 or more"},
    {"LatestWithoutNumber", "version_policy {\n  latest { }\n}", "2:3",
     "version_policy.latest.num_versions is 0; expected 1 or more"},
    {"SpecificNone", "version_policy { specific {} }", "1:18",
     "version_policy.specific has no versions; expected at least one"},
    {"SpecificZero", "version_policy: { specific: { versions: [1, 0] } }", "1:45",
     "version_policy.specific.versions has 0; expected 1 or more"},
    {"TwoPolicies", "version_policy { all {} latest { num_versions: 1 } }", "1:25",
     "all and latest are both given; expected one of them"},
};

const std::vector<WrongConfig> kBatching = {
    {"BatchingWithoutBatch", "name: 'net'\ndynamic_batching { }", "2:1",
     "dynamic_batching is given and max_batch_size is 0; expected both or neither. Write "
     "max_batch_size: 8"},
    {"PreferredTooLarge", "max_batch_size: 4 dynamic_batching {\n preferred_batch_size: [ 2, 8 ]\n}", "2:29",
     "dynamic_batching.preferred_batch_size has 8; expected 1 to 4 (max_batch_size)"},
    {"PreferredZero", "max_batch_size: 4 dynamic_batching { preferred_batch_size: 0 }", "1:60",
     "dynamic_batching.preferred_batch_size has 0; expected 1 to 4"},
    {"DelayOfYears", "max_batch_size: 4 dynamic_batching { max_queue_delay_microseconds: 18446744073709551615 }",
     "1:68",
     "dynamic_batching.max_queue_delay_microseconds is 18446744073709551615; expected at most "
     "86400000000"},
    {"TimeoutOfYears",
     "max_batch_size: 4 dynamic_batching {\n default_queue_policy {\n  "
     "default_timeout_microseconds: "
     "86400000001\n } }",
     "3:33", "dynamic_batching.default_queue_policy.default_timeout_microseconds is 86400000001; expected"},
    {"Delay", "max_batch_size: 4 dynamic_batching { default_queue_policy { timeout_action: DELAY } }", "1:77",
     "dynamic_batching.default_queue_policy.timeout_action is not supported"},
    {"PrioritiesWithoutADefault", "max_batch_size: 4 dynamic_batching { priority_levels: 2 }", "1:55",
     "dynamic_batching.priority_levels is 2 and default_priority_level is not given"},
    {"DefaultPriorityBeyond", "max_batch_size: 4 dynamic_batching { priority_levels: 2 default_priority_level: 3 }",
     "1:81", "dynamic_batching.default_priority_level is 3; expected 1 to 2"},
    {"TooManyPriorities",
     "max_batch_size: 4 dynamic_batching { priority_levels: 18446744073709551615 default_priority_level: 1 }", "1:55",
     "dynamic_batching.priority_levels is 18446744073709551615; expected at most 1000"},
    {"PriorityPolicies", "max_batch_size: 4 dynamic_batching { priority_queue_policy { key: 1 value {} } }", "1:38",
     "dynamic_batching.priority_queue_policy is not supported: all levels wait in one queue"},
    {"Sequences", "max_batch_size: 4\nsequence_batching { direct {} }", "2:1",
     "sequence_batching is not supported: sequences are not batched"},
    {"Ensemble", "platform: 'torchferry'\nensemble_scheduling { step {} }", "2:1",
     "ensemble_scheduling is not supported: pipelines of models are not run"},
};

const std::vector<WrongConfig> kInstances = {
    {"NegativeCount", "instance_group [ { kind: KIND_CPU count: -1 } ]", "1:42",
     "instance_group.count is -1; expected 1 to 1024"},
    {"CountOfMillions", "instance_group { count: 2000000 }", "1:25",
     "instance_group.count is 2000000; expected 1 to 1024"},
    {"CpuWithGpus", "instance_group [\n {},\n { kind: KIND_CPU\n gpus: [ 1 ] } ]", "4:10",
     "instance_group of KIND_CPU names the GPU 1; expected no gpus, or KIND_GPU"},
    {"ModelWithGpus", "instance_group { kind: KIND_MODEL gpus: 0 }", "1:41",
     "instance_group of KIND_MODEL names the GPU 0; expected no gpus"},
    {"NegativeGpu", "instance_group { kind: KIND_GPU gpus: [ 0, -1 ] }", "1:44",
     "instance_group.gpus has -1; expected 0 to 127"},
    {"GpuTwice", "instance_group { kind: KIND_GPU gpus: [ 1, 1 ] }", "1:44",
     "instance_group.gpus has 1 twice; expected each GPU once"},
    {"ModelBesideOthers", "instance_group { kind: KIND_GPU } instance_group { kind: KIND_MODEL }", "1:58",
     "instance_group of KIND_MODEL is one of 2 groups; expected it alone"},
    {"SecondaryDevice", "instance_group { secondary_devices { device_id: 1 } }", "1:18",
     "instance_group.secondary_devices is not supported"},
    {"Passive", "instance_group { passive: true }", "1:27", "instance_group.passive is not supported"},
};

// A warm-up around `rest`, of a model that takes x, FP32 [4, -1], in up to 8 rows.
std::string WarmUpOf(std::string_view rest) {
  return fmt::format(
      "max_batch_size: 8 input {{ name: 'x' data_type: TYPE_FP32 dims: [ 4, -1 ] }}\n"
      "model_warmup {{ name: 'w'\n{}\n}}",
      rest);
}

std::string WarmUpInputOf(std::string_view rest) {
  return WarmUpOf(fmt::format("batch_size: 1 inputs {{ key: 'x' value {{\n{} }} }}", rest));
}

const std::vector<WrongConfig> kWarmUps = {
    {"WarmUpBatchTooLarge",
     WarmUpOf("batch_size: 9 inputs { key: 'x' value { data_type: TYPE_FP32 dims: [ 4, 1 ] zero_data: true } }"),
     "3:13", "model_warmup.batch_size is 9; expected 1 to 8 (max_batch_size)"},
    {"WarmUpBatchWithoutBatches", "model_warmup { batch_size: 2 }", "1:28",
     "model_warmup.batch_size is 2; expected 1, as max_batch_size is 0"},
    {"WarmUpForDays", "model_warmup { batch_size: 1 count: 1000000 }", "1:37",
     "model_warmup.count is 1000000; expected at most 10000"},
    {"WarmUpWithoutInput", WarmUpOf("batch_size: 1"), "2:1", "model_warmup \"w\" has no input \"x\""},
    {"WarmUpOfAnotherInput",
     WarmUpOf("batch_size: 1 inputs { key: 'z' value { data_type: TYPE_FP32 zero_data: true } }"), "3:33",
     "model_warmup has an input \"z\"; expected one of x"},
    {"WarmUpOfAnotherType", WarmUpInputOf("data_type: TYPE_INT8 dims: [ 4, 2 ] zero_data: true"), "4:12",
     "data_type of model_warmup's input \"x\" is INT8; expected FP32"},
    {"WarmUpOfStrings", WarmUpInputOf("data_type: TYPE_STRING dims: [ 4, 2 ] zero_data: true"), "4:12",
     "data_type of model_warmup's input \"x\" is BYTES; expected FP32"},
    {"WarmUpOfAnotherShape", WarmUpInputOf("data_type: TYPE_FP32 dims: [ 2, 4 ] zero_data: true"), "4:30",
     "dims of model_warmup's input \"x\" is [2, 4]; expected [4, -1]"},
    {"WarmUpOfAnySize", WarmUpInputOf("data_type: TYPE_FP32 dims: [ 4, -1 ] zero_data: true"), "4:33",
     "dims of model_warmup's input \"x\" has the size -1; expected 1 or more"},
    {"WarmUpOfGibibytes", WarmUpInputOf("data_type: TYPE_FP32 dims: [ 4, 99999999 ] zero_data: true"), "4:30",
     "model_warmup's input \"x\" is [4, 99999999] in 1 rows; expected at most 1073741824 bytes"},
    {"WarmUpOfTooManySizes",
     WarmUpInputOf("data_type: TYPE_FP32 dims: [ 4" + Repeated(", 1", 64) + " ] zero_data: true"), "4:30",
     "dims of model_warmup's input \"x\" has 65 sizes; expected at most 64"},
    {"WarmUpOfGibibytesInAllInputs",
     "model_warmup { name: 'w' batch_size: 1\n"
     "inputs { key: 'a' value { data_type: TYPE_INT8 dims: 1073741824 zero_data: true } }\n"
     "inputs { key: 'b' value { data_type: TYPE_INT8 dims: 1 zero_data: true } } }",
     "3:54", "model_warmup's input \"b\" is [1] in 1 rows; expected at most 1073741824 bytes in all inputs"},
    {"WarmUpWithoutValues", WarmUpInputOf("data_type: TYPE_FP32 dims: [ 4, 2 ]"), "3:33",
     "model_warmup's input \"x\" has no values; expected zero_data, random_data or input_data_file"},
    {"WarmUpFileWithPath", WarmUpInputOf("data_type: TYPE_FP32 dims: [ 4, 2 ] input_data_file: '../x'"), "4:54",
     "model_warmup.inputs.input_data_file is \"../x\"; expected the name of a file"},
};

const std::vector<WrongConfig> kOthers = {
    {"ParameterNotBool",
     "parameters { key: 'OTHER' value { string_value: 'x' } }\n"
     "parameters { key: 'INFERENCE_MODE' value { string_value: 'maybe' } }",
     "2:1", "parameter INFERENCE_MODE is \"maybe\"; expected \"true\" or \"false\""},
    {"ParameterNotNumber", "parameters { key: 'INTRA_OP_THREAD_COUNT' value { string_value: 'two' } }", "1:1",
     "parameter INTRA_OP_THREAD_COUNT is \"two\"; expected a number, 0 or more"},
    {"FilesByCapability", "cc_model_filenames { key: '7.0' value: 'm.pt' }", "1:1",
     "cc_model_filenames is not supported: one file serves every GPU; put its name in "
     "default_model_filename"},
    {"OperatorLibrary", "model_operations { op_library_filename: 'ops.so' }", "1:41",
     "model_operations.op_library_filename is not supported: libraries of custom operators"},
    {"Decoupled", "model_transaction_policy { decoupled: true }", "1:39",
     "model_transaction_policy.decoupled is not supported: a request has exactly one response"},
    {"Agents", "model_repository_agents { agents { name: 'checksum' } }", "1:1",
     "model_repository_agents is not supported"},
    {"BatchInput", "batch_input { kind: BATCH_ELEMENT_COUNT }", "1:1", "batch_input is not supported"},
    {"BatchOutput", "batch_output {}", "1:1", "batch_output is not supported"},
    {"DeviceGpu", "torchferry { device: 'gpu' }", "1:22",
     "torchferry.device is \"gpu\"; expected auto, cpu, cuda, cuda:N or saved"},
    {"DeviceIndex", "torchferry { device: 'cuda:x' }", "1:22", "torchferry.device is \"cuda:x\"; expected"},
    {"DeviceUpperCase", "torchferry {\n device: 'CPU' }", "2:10", "torchferry.device is \"CPU\"; expected"},
    {"DeviceCpuIndex", "torchferry { device: 'cpu:1' }", "1:22", "torchferry.device is \"cpu:1\"; expected"},
    {"StandbyWithoutFallback", "torchferry { fallback: NONE fallback_warm: true }", "1:44",
     "torchferry.fallback_warm is true and fallback is NONE; expected fallback: CPU"},
    {"MapLocationKey",
     "torchferry { device: 'saved'\n map_location { key: 'cuda:0' value: 'cpu' }\n"
     " map_location { key: 'auto' value: 'cpu' } }",
     "3:2", "torchferry.map_location has \"auto\"; expected cpu, cuda or cuda:N"},
    {"MapLocationValue", "torchferry { map_location { key: 'cuda:0' value: 'saved' } }", "1:14",
     "torchferry.map_location has \"saved\"; expected cpu, cuda or cuda:N"},
    {"ArchitectureWithPath", "torchferry { state_dict { architecture: '/a.pt' } }", "1:41",
     "torchferry.state_dict.architecture is \"/a.pt\"; expected the name of a file"},
};

INSTANTIATE_TEST_SUITE_P(Syntax, WrongConfigTest, testing::ValuesIn(kSyntax), ParamName);
INSTANTIATE_TEST_SUITE_P(UnknownNames, WrongConfigTest, testing::ValuesIn(kUnknownNames), ParamName);
INSTANTIATE_TEST_SUITE_P(General, WrongConfigTest, testing::ValuesIn(kGeneral), ParamName);
INSTANTIATE_TEST_SUITE_P(Tensors, WrongConfigTest, testing::ValuesIn(kTensors), ParamName);
INSTANTIATE_TEST_SUITE_P(Versions, WrongConfigTest, testing::ValuesIn(kVersions), ParamName);
INSTANTIATE_TEST_SUITE_P(Batching, WrongConfigTest, testing::ValuesIn(kBatching), ParamName);
INSTANTIATE_TEST_SUITE_P(Instances, WrongConfigTest, testing::ValuesIn(kInstances), ParamName);
INSTANTIATE_TEST_SUITE_P(WarmUps, WrongConfigTest, testing::ValuesIn(kWarmUps), ParamName);
INSTANTIATE_TEST_SUITE_P(Others, WrongConfigTest, testing::ValuesIn(kOthers), ParamName);

TEST(WrongConfigsTest, OfSeveralErrorsTheFirstInTheFileIsReported) {
  const auto config =
      ParseModelConfig("torchferry { device: 'gpu' }\nmax_batch_size: -1\nname: 'nett'", "net/config.pbtxt", "net");
  EXPECT_THAT(base::MessageOf(config.status()),
              AllOf(HasSubstr(":1:22: torchferry.device"), Not(HasSubstr("max_batch_size"))));
}

// A client that asks for the configuration is sent its strings, which must be UTF-8; so must be the keys of its maps.
TEST(WrongConfigsTest, StringsAreUtf8) {
  for (const std::string text :
       {"backend: '\xe9'", "backend: '\\351'", "output { name: '\\377' data_type: TYPE_FP32 dims: 1 }",
        "parameters { key: '\\377' value { string_value: 'x' } }", "metric_tags { key: '\xed\xa0\x80' value: 'x' }",
        "model_warmup { inputs { key: '\\377' value { data_type: TYPE_INT8 dims: 1 zero_data: true } } batch_size: 1 "
        "}"}) {
    const auto config = ParseModelConfig(text, "f", "net");
    EXPECT_EQ(config.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(base::MessageOf(config.status()), HasSubstr("not UTF-8; expected text in UTF-8")) << text;
  }
  EXPECT_TRUE(ParseModelConfig("# \xe9\nversion_policy { all {} }", "f", "net").ok());
}

TEST(WrongConfigsTest, MegabytesAreNotParsed) {
  const std::string text(2 << 20, '#');
  const auto config = ParseModelConfig(text, "net/config.pbtxt", "net");
  EXPECT_THAT(base::MessageOf(config.status()),
              StartsWith("net/config.pbtxt:1:1: the file has 2097152 bytes; expected at most 1048576"));
}

TEST(WrongConfigsTest, DeepNestingIsAnErrorAndNotACrash) {
  std::string text;
  for (int i = 0; i < 100000; ++i) text += "input {";
  EXPECT_FALSE(ParseModelConfig(text, "net/config.pbtxt", "net").ok());
  EXPECT_FALSE(ParseModelConfig(std::string(1 << 19, '{'), "net/config.pbtxt", "net").ok());
}

TEST(WrongConfigsTest, OfManyWarningsTheNumberIsSaid) {
  std::string text;
  for (int i = 0; i < 10'000; ++i) text += "parameters { key: 'INFERENCE_MODE' value { string_value: 'true' } }\n";
  const auto config = ParseModelConfig(text, "net/config.pbtxt", "net");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_LT(config->warnings.size(), 102u);
  EXPECT_THAT(config->warnings.back(), HasSubstr("more warnings"));
}

TEST(WrongConfigsTest, NamesInMessagesAreFew) {
  std::string text = "max_batch_size: 1\n";
  for (int i = 0; i < 4'000; ++i) {
    text += "input { name: 'input_number_" + std::to_string(i) + "' data_type: TYPE_FP32 dims: 1 }\n";
  }
  text +=
      "model_warmup { batch_size: 1 inputs { key: 'other' value { data_type: TYPE_FP32 dims: 1 zero_data: true } } }";
  EXPECT_LT(base::MessageOf(ParseModelConfig(text, "f", "net").status()).size(), 1'000u);
}

// Every prefix of a good configuration: read or refused, and always with a place.
TEST(WrongConfigsTest, TruncatedTextIsReadOrRefused) {
  const std::string text =
      "name: 'net' max_batch_size: 8 input [ { name: 'x' data_type: TYPE_FP32 dims: [ -1, 3 ] } ]\n"
      "parameters { key: 'INFERENCE_MODE' value { string_value: 'true' } } torchferry { fallback: "
      "NONE }";
  for (size_t length = 0; length < text.size(); ++length) {
    const auto config = ParseModelConfig(text.substr(0, length), "f", "net");
    const std::string message = config.ok() ? "f:1:1: none" : base::MessageOf(config.status());
    EXPECT_THAT(message, testing::ContainsRegex("^f:[0-9]+:[0-9]+: ."));
  }
}

}  // namespace
}  // namespace torchferry::config
