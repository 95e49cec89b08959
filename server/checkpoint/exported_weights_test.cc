#include <cstring>
#include <span>

#include "server/checkpoint/exported_program.h"
#include "server/checkpoint/exported_samples.h"
#include "server/checkpoint/limits.h"
#include "server/checkpoint/test_programs.h"

namespace torchferry::checkpoint {
namespace {

using absl::StatusCode;
using ::testing::AllOf;
using testing::Dict;
using testing::Edited;
using testing::Edits;
using ::testing::ElementsAre;
using testing::Fails;
using ::testing::HasSubstr;
using testing::Int;
using testing::Pickle;
using testing::ProgramFile;
using testing::ProgramParts;
using ::testing::SizeIs;
using testing::Str;
using testing::Tuple;
using testing::ZipBuilder;
using ArgumentKind = GraphArgument::Kind;

absl::Status ErrorOfWeights(const Edits& edits) {
  ProgramParts parts;
  parts.weights = Edited(parts.weights, edits);
  return ReadExportedProgram(ProgramFile(parts), "").status();
}

TEST(ExportedWeightsTest, EachEntryIsAStorage) {
  const auto program = ReadExportedProgram(ProgramFile(), "");
  ASSERT_TRUE(program.ok()) << program.status();
  ASSERT_THAT(program->weights->tensors(), SizeIs(2));
  const TensorInfo& weight = program->weights->tensors()[0];
  EXPECT_EQ(weight.key, "weight");
  EXPECT_EQ(weight.dtype, tensor::DType::kFp32);
  EXPECT_THAT(weight.shape, ElementsAre(2, 2));
  EXPECT_THAT(weight.strides, ElementsAre(2, 1));
  const StorageInfo& storage = program->weights->storages()[weight.storage];
  EXPECT_EQ(storage.key, "weight_0");
  EXPECT_EQ(storage.saved_device, "cuda:0");
  EXPECT_EQ(program->weights->storages()[1].saved_device, "cpu");
  std::string bytes(16, '\0');
  ASSERT_TRUE(program->weights->ReadStorage(weight.storage, std::as_writable_bytes(std::span<char>(bytes))).ok());
  EXPECT_EQ(bytes, std::string(16, '\x01'));
}

TEST(ExportedWeightsTest, TiesAndViewsShareAStorage) {
  const std::string meta = R"("use_pickle": false, "tensor_meta": {"dtype": 7, "device": {"type": "cuda", "index": 0},
      "layout": 7, )";
  ProgramParts parts;
  parts.weights = Edited(parts.weights, {{"{\"config\": {", R"({"config": {"tied": {"path_name": "weight_0", )" + meta +
                                                                R"("sizes": [{"as_int": 2}], "strides": [{"as_int": 2}],
                                                    "storage_offset": {"as_int": 1}}}, )"}});
  const auto program = ReadExportedProgram(ProgramFile(parts), "");
  ASSERT_TRUE(program.ok()) << program.status();
  ASSERT_THAT(program->weights->tensors(), SizeIs(3));
  EXPECT_EQ(program->weights->tensors()[0].storage, program->weights->tensors()[1].storage);
  EXPECT_EQ(program->weights->tensors()[0].storage_offset, 1);
  EXPECT_THAT(program->weights->storages(), SizeIs(2));
}

TEST(ExportedWeightsTest, WhatIsNotServedIsRefused) {
  struct Case {
    Edits edits;
    StatusCode code;
    std::string says;
  };
  const std::string size = R"("storage_offset": {"as_int": 0})";
  const std::string strides = R"("strides": [{"as_int": 2}, {"as_int": 1}])";
  for (const Case& c : {
           Case{{{"\"use_pickle\": false", "\"use_pickle\": true"}},
                StatusCode::kInvalidArgument,
                "tensors of a subclass"},
           {{{"\"use_pickle\": false, \"tensor_meta\": {", "\"use_pickle\": true, \"tensor_meta\": null, \"no\": {"}},
            StatusCode::kInvalidArgument,
            "TorchBind"},
           {{{"\"layout\": 7", "\"layout\": 1"}}, StatusCode::kInvalidArgument, ".to_dense()"},
           {{{"\"layout\": 7", "\"layout\": 70"}}, StatusCode::kInvalidArgument, "a layout of the kind \"70\""},
           {{{"\"dtype\": 7", "\"dtype\": 31"}},
            StatusCode::kInvalidArgument,
            "torch.float8_e4m3fnuz, which is not served"},
           {{{"\"dtype\": 7", "\"dtype\": 14"}}, StatusCode::kInvalidArgument, "a dtype of the kind \"14\""},
           {{{size, R"("storage_offset": {"as_int": 1})"}}, StatusCode::kDataLoss, "leaves its storage"},
           {{{size, R"("storage_offset": {"as_int": -1})"}}, StatusCode::kDataLoss, "its storage offset is no count"},
           {{{size, R"("storage_offset": {"as_int": 4611686018427387904})"}},
            StatusCode::kDataLoss,
            "leaves its storage"},
           {{{strides, R"("strides": [{"as_int": -2}, {"as_int": 1}])"}},
            StatusCode::kDataLoss,
            "its stride is no count"},
           {{{strides, R"("strides": [{"as_int": 1}])"}}, StatusCode::kDataLoss, "2 sizes and 1 strides"},
           {{{strides, R"("strides": [{"as_int": 9223372036854775807}, {"as_int": 1}])"}},
            StatusCode::kDataLoss,
            "leaves its storage"},
           {{{"\"sizes\": [{\"as_int\": 2}", "\"sizes\": [{\"as_int\": 1099511627776}"}},
            StatusCode::kDataLoss,
            "leaves its storage"},
           {{{"\"sizes\": [{\"as_int\": 2}", R"("sizes": [{"as_expr": {"expr_str": "s0"}})"}},
            StatusCode::kDataLoss,
            "not known"},
           {{{"weight_0", "weight_7"}}, StatusCode::kDataLoss, "\"data/weights/weight_7\" has no entry"},
           {{{"weight_0", "../constants/tensor_0"}}, StatusCode::kDataLoss, "has no entry"},
           {{{"\"weight\": {", "\"bias\": {"}}, StatusCode::kDataLoss, "is a weight and a constant"},
           {{{"\"weight\": {", "\"a\\u0000b\": {"}}, StatusCode::kDataLoss, "no clean text"},
           {{{"\"config\"", "\"other\""}}, StatusCode::kDataLoss, "has no \"config\""},
           {{{"\"device\": {\"type\": \"cuda\"", "\"device\": {\"type\": \"" + std::string(65, 'd') + "\""}},
            StatusCode::kDataLoss,
            "more than 64 bytes"},
       }) {
    EXPECT_THAT(ErrorOfWeights(c.edits), Fails(c.code, AllOf(HasSubstr("m/1/model.pt2: "), HasSubstr(c.says))));
  }
}

TEST(ExportedWeightsTest, AnArchiveThatLacksAConfigIsDamaged) {
  EXPECT_THAT(ReadExportedProgram(
                  testing::AsFile(ZipBuilder().Add("m/models/model.json", std::string(testing::kProgram)).Build()), "")
                  .status(),
              Fails(StatusCode::kDataLoss, HasSubstr("\"data/weights/model_weights_config.json\"")));
}

// --- pickled weights of PyTorch 2.8 and earlier ---

std::string PickledWeight() { return testing::CheckpointBytes(Pickle(Dict("weight", testing::Tensor()))); }

std::string PickledBias() {
  return testing::CheckpointBytes(
      Pickle(Dict("bias", testing::Tensor({.shape = Tuple({Int(2)}), .strides = Tuple({Int(1)})}))));
}

std::shared_ptr<const File> Of28(const std::string& weights, const std::string& constants) {
  return testing::AsFile(ZipBuilder()
                             .Add("m/models/model.json", std::string(testing::kProgram))
                             .Add("m/data/weights/model.pt", weights)
                             .Add("m/data/constants/model.pt", constants)
                             .Build());
}

TEST(ExportedWeightsTest, TheArchiveOfPyTorch28HasPickledWeights) {
  const auto program = ReadExportedProgram(Of28(PickledWeight(), PickledBias()), "");
  ASSERT_TRUE(program.ok()) << program.status();
  ASSERT_THAT(program->weights->tensors(), SizeIs(2));
  EXPECT_EQ(program->weights->tensors()[1].key, "bias");
  std::string bytes(16, '\0');
  ASSERT_TRUE(program->weights->ReadStorage(1, std::as_writable_bytes(std::span<char>(bytes))).ok());
  EXPECT_EQ(bytes, std::string(16, '\x01'));
}

TEST(ExportedWeightsTest, TheArchiveOfPyTorch27HasNoFolder) {
  const auto of_27 = [](const std::string& weights) {
    ZipBuilder zip;
    zip.Add("serialized_exported_program.json", std::string(testing::kProgram))
        .Add("serialized_constants.pt", PickledBias())
        .Add("version", "8.7");
    if (!weights.empty()) zip.Add("serialized_state_dict.pt", weights);
    return testing::AsFile(zip.Build());
  };
  EXPECT_THAT(*ListPrograms(of_27(PickledWeight())), ElementsAre("model"));
  const auto format = Recognise(*of_27(PickledWeight()));
  ASSERT_TRUE(format.ok()) << format.status();
  EXPECT_EQ(*format, FileFormat::kExportedProgram);
  const auto program = ReadExportedProgram(of_27(PickledWeight()), "");
  ASSERT_TRUE(program.ok()) << program.status();
  EXPECT_THAT(program->weights->tensors(), SizeIs(2));
  EXPECT_THAT(ReadExportedProgram(of_27(""), "").status(),
              Fails(StatusCode::kDataLoss, HasSubstr("\"serialized_state_dict.pt\"")));
  // Nothing else may lack a folder.
  EXPECT_THAT(Checkpoint::Open(of_27(PickledWeight())).status(),
              Fails(StatusCode::kInvalidArgument, HasSubstr("is a zip around")));
}

TEST(ExportedWeightsTest, PickledWeightsAreReadByTheRestrictedReader) {
  const std::string system =
      testing::CheckpointBytes(Pickle(testing::Global("os", "system") + Tuple({Str("id")}) + "R"));
  EXPECT_THAT(ReadExportedProgram(Of28(system, PickledBias()), "").status(),
              Fails(StatusCode::kDataLoss, AllOf(HasSubstr("data/weights/model.pt"), HasSubstr("os.system"))));
  const std::string number = testing::CheckpointBytes(
      Pickle("}(" + Str("bias") + testing::Tensor({.shape = Tuple({Int(2)}), .strides = Tuple({Int(1)})}) + Str("n") +
             Int(3) + "u"));
  EXPECT_THAT(ReadExportedProgram(Of28(PickledWeight(), number), "").status(),
              Fails(StatusCode::kInvalidArgument, AllOf(HasSubstr("\"n\""), HasSubstr("no tensor"))));
  EXPECT_THAT(ReadExportedProgram(Of28(PickledWeight(), PickledWeight()), "").status(),
              Fails(StatusCode::kDataLoss, HasSubstr("tensor \"weight\" is in")));
  EXPECT_THAT(ReadExportedProgram(Of28(PickledWeight(), testing::ProgramBytes({})), "").status(),
              Fails(StatusCode::kInvalidArgument, HasSubstr("is a torch.export program")));
}

// --- example inputs ---

absl::StatusOr<ProgramSamples> SamplesOf(const std::string& pickle) {
  ProgramParts parts;
  parts.sample_bytes = testing::CheckpointBytes(Pickle(pickle));
  const auto program = ReadExportedProgram(ProgramFile(parts), "");
  return program.ok() ? ReadProgramSamples(*program) : absl::StatusOr<ProgramSamples>(program.status());
}

TEST(ExportedSamplesTest, ArgumentsAreFlattened) {
  for (const std::string& inputs :
       {Tuple({Tuple({testing::Tensor()}), "}"}), Tuple({")", Dict("x", testing::Tensor())}),
        Tuple({Tuple({Dict("a", Tuple({testing::Tensor()}))}), "}"})}) {
    const auto samples = SamplesOf(inputs);
    ASSERT_TRUE(samples.ok()) << samples.status();
    ASSERT_THAT(samples->values, SizeIs(1));
    EXPECT_EQ(samples->values[0].kind, ArgumentKind::kTensor);
    EXPECT_EQ(samples->values[0].integer, 0);
    EXPECT_EQ(samples->tensors->tensors()[0].key, "x");
    std::string bytes(16, '\0');
    EXPECT_TRUE(samples->tensors->ReadStorage(0, std::as_writable_bytes(std::span<char>(bytes))).ok());
  }
}

TEST(ExportedSamplesTest, WhatTheProgramDoesNotTakeIsRefused) {
  EXPECT_THAT(SamplesOf(Tuple({")", "}"})).status(), Fails(StatusCode::kInvalidArgument, HasSubstr("1 inputs")));
  EXPECT_THAT(SamplesOf(Tuple({Tuple({testing::Tensor(), "N"}), "}"})).status(),
              Fails(StatusCode::kInvalidArgument, HasSubstr("1 inputs")));
  EXPECT_THAT(SamplesOf(Tuple({Tuple({Int(3)}), "}"})).status(),
              Fails(StatusCode::kInvalidArgument, HasSubstr("another type")));
  EXPECT_THAT(SamplesOf(Tuple({Tuple({testing::Tensor({.shape = Tuple({Int(4)}), .strides = Tuple({Int(1)})})}), "}"}))
                  .status(),
              Fails(StatusCode::kInvalidArgument, AllOf(HasSubstr("\"x\""), HasSubstr("another type or shape"))));
  EXPECT_THAT(SamplesOf(testing::Global("torch.nn", "Thing") + ")R").status(),
              Fails(StatusCode::kInvalidArgument, HasSubstr("of Python")));
  EXPECT_THAT(SamplesOf(testing::Global("os", "system") + ")R").status(),
              Fails(StatusCode::kDataLoss, HasSubstr("os.system")));
  // A list that holds itself.
  EXPECT_THAT(SamplesOf("]q\x01h\x01"
                        "a")
                  .status(),
              Fails(StatusCode::kDataLoss, HasSubstr("hold themselves")));
  const auto without = ReadExportedProgram(ProgramFile(), "");
  ASSERT_TRUE(without.ok());
  EXPECT_THAT(ReadProgramSamples(*without).status(), Fails(StatusCode::kNotFound, HasSubstr("no example inputs")));
}

}  // namespace
}  // namespace torchferry::checkpoint
