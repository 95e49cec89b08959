// The reader against PyTorch: testdata/expected.json is what torch.load says of each fixture.
#include "server/checkpoint/checkpoint.h"

#include <nlohmann/json.hpp>

#include "server/checkpoint/reference.h"
#include "server/checkpoint/test_files.h"

namespace torchferry::checkpoint {
namespace {

using absl::StatusCode;
using ::testing::AllOf;
using testing::Choose;
using testing::Fails;
using testing::Fixture;
using testing::FixtureBytes;
using ::testing::HasSubstr;

const nlohmann::json& Expected() {
  static const nlohmann::json kExpected = nlohmann::json::parse(FixtureBytes("expected.json"));
  return kExpected;
}

class ReferenceTest : public ::testing::TestWithParam<std::string> {};

TEST_P(ReferenceTest, IndexAndBytesEqualTorchLoads) {
  testing::ExpectEqualsReference(Fixture(GetParam()), Expected().at(GetParam()));
}

INSTANTIATE_TEST_SUITE_P(Fixtures, ReferenceTest,
                         ::testing::Values("module.pt", "plain_dict.pt", "protocol4.pt", "protocol5.pt", "dtypes.pt",
                                           "strided.pt", "tied.pt", "cuda_tags.pt", "numpy_scalars.pt", "attributed.pt",
                                           "deflated.pt", "zip64.pt", "legacy.pt", "legacy_protocol4.pt",
                                           "legacy_plain_dict.pt", "legacy_dtypes.pt", "legacy_strided.pt",
                                           "legacy_tied.pt", "legacy_cuda_tags.pt", "arrays.pt", "arrays_protocol5.pt",
                                           "arrays_beside.pt", "legacy_arrays.pt", "objects.pt", "objects_protocol4.pt",
                                           "legacy_objects.pt"),
                         [](const auto& fixture) { return fixture.param.substr(0, fixture.param.find('.')); });

TEST(CheckpointTest, TiedWeightsShareAStorage) {
  const auto checkpoint = Checkpoint::Open(Fixture("tied.pt"));
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_EQ((*checkpoint)->storages().size(), 1u);
  EXPECT_EQ((*checkpoint)->tensors()[2].storage_offset, 3);
}

TEST(CheckpointTest, ReadStorageChecksItsBuffer) {
  const auto checkpoint = Checkpoint::Open(Fixture("tied.pt"));
  std::vector<std::byte> small(1);
  EXPECT_FALSE((*checkpoint)->ReadStorage(0, small).ok());
  EXPECT_FALSE((*checkpoint)->ReadStorage(7, small).ok());
}

TEST(CheckpointTest, NestedCheckpointListsItsKeysAndOpensByKey) {
  EXPECT_THAT(
      Checkpoint::Open(Fixture("training.pt")).status(),
      Fails(StatusCode::kInvalidArgument,
            AllOf(HasSubstr("training checkpoint"), HasSubstr("\"model_state_dict\""), HasSubstr("\"ema.model\""))));
  for (const std::string key : {"model_state_dict", "ema.model"}) {
    const auto nested = Checkpoint::Open(Fixture("training.pt"), Choose(key));
    ASSERT_TRUE(nested.ok()) << nested.status();
    std::vector<std::string> keys;
    for (const TensorInfo& tensor : (*nested)->tensors()) keys.push_back(tensor.key);
    EXPECT_EQ(keys, Expected().at("training.pt:model_state_dict").at("keys"));
  }
  EXPECT_THAT(
      Checkpoint::Open(Fixture("training.pt"), Choose("weights")).status(),
      Fails(StatusCode::kInvalidArgument, AllOf(HasSubstr("no key \"weights\""), HasSubstr("\"model_state_dict\""))));
  EXPECT_FALSE(Checkpoint::Open(Fixture("training.pt"), Choose("epoch")).ok());
  EXPECT_FALSE(Checkpoint::Open(Fixture("training.pt"), Choose("epoch.x")).ok());
}

TEST(CheckpointTest, TheChooserSeesTheOutline) {
  CheckpointOutline seen;
  const auto opened =
      Checkpoint::Open(Fixture("training.pt"), [&](const CheckpointOutline& outline) -> absl::StatusOr<std::string> {
        seen = outline;
        return absl::InvalidArgumentError("none of these");
      });
  EXPECT_THAT(opened.status(), Fails(StatusCode::kInvalidArgument, HasSubstr("none of these")));
  EXPECT_FALSE(seen.is_flat);
  const size_t tensors = Expected().at("training.pt:model_state_dict").at("keys").size();
  ASSERT_EQ(seen.dicts.size(), 2u);
  EXPECT_EQ(seen.dicts[0].key, "model_state_dict");
  EXPECT_EQ(seen.dicts[0].tensors, tensors);
  EXPECT_EQ(seen.dicts[1].key, "ema.model");
  EXPECT_THAT(seen.keys, ::testing::Contains("epoch"));
}

TEST(CheckpointTest, WholeModelNamesItsClassesAndTheWaysOut) {
  for (const std::string name : {"whole_model.pt", "whole_model_protocol4.pt", "legacy_whole_model.pt"}) {
    EXPECT_THAT(Checkpoint::Open(Fixture(name)).status(),
                Fails(StatusCode::kInvalidArgument,
                      AllOf(HasSubstr(name), HasSubstr("whole model"), HasSubstr("__main__.Net"),
                            HasSubstr("torch.nn.modules.conv.Conv2d"), HasSubstr("torch.nn.modules.linear.Linear"),
                            HasSubstr("model.state_dict()"), HasSubstr("torch.jit.script"))));
  }
}

struct Refused {
  std::string file;
  std::string message;
};

TEST(CheckpointTest, SoundFilesThatCannotBeServedSayWhy) {
  for (const Refused& refused : std::vector<Refused>{
           {"bare_tensor.pt", "holds a bare tensor"},
           {"list.pt", "holds a list"},
           {"no_tensors.pt", "a dict without tensors; its keys: \"epoch\""},
           {"quantised.pt", "tensor \"w\": is quantised"},
           {"sparse.pt", "tensor \"w\": is sparse"},
           {"meta.pt", "meta device"},
           {"conjugated.pt", "resolve_conj"},
           {"odd_dtype.pt", "torch.float8_e8m0fnu"},
           {"whole_model.pt", "where these can be imported"},
           {"big_endian.pt", "byte order \"big\""},
       }) {
    EXPECT_THAT(Checkpoint::Open(Fixture(refused.file)).status(),
                Fails(StatusCode::kInvalidArgument, AllOf(HasSubstr(refused.file), HasSubstr(refused.message))));
  }
}

TEST(CheckpointTest, ShardedAndPackedTensorsSayWhatToSave) {
  const auto open = [](const std::string& pickle) {
    return Checkpoint::Open(testing::AsFile(testing::CheckpointBytes(testing::Pickle(pickle)))).status();
  };
  const std::string dtensor = testing::Global("torch.distributed.tensor", "DTensor") + ")\x81}b";
  EXPECT_THAT(open(testing::Dict("w", dtensor)),
              Fails(StatusCode::kInvalidArgument,
                    AllOf(HasSubstr("torch.distributed.tensor.DTensor"), HasSubstr("full_state_dict=True"))));
  const std::string packed = testing::Tuple({testing::Tensor(), "N"});
  EXPECT_THAT(open("}(" + testing::Str("fc.scale") + testing::Tensor() +
                   testing::Str("fc._packed_params._packed_params") + packed + "u"),
              Fails(StatusCode::kInvalidArgument,
                    AllOf(HasSubstr("fc._packed_params._packed_params"), HasSubstr("quantised module"))));
}

}  // namespace
}  // namespace torchferry::checkpoint
