#include "server/rpc/transport/utf8_message.h"

#include <gtest/gtest.h>

#include <string>

#include "inference/grpc_service.pb.h"
#include "torchferry/v1/inference.pb.h"

namespace torchferry::rpc {
namespace {

TEST(Utf8MessageTest, EachStringBecomesUtf8WhereverItIs) {
  v1::ListModelsResponse response;
  v1::ModelVersion& version = *response.add_versions();
  version.set_model_name("caf\xe9");
  version.add_inputs()->set_name("\xff");
  version.mutable_file()->set_path("m/1/\xfe.pt");
  version.mutable_file()->add_saved_devices("cpu");
  version.mutable_file()->add_saved_devices("\xf0");
  version.mutable_placement()->add_decisions("é");
  MakeUtf8(response);
  EXPECT_EQ(version.model_name(), "caf\\xe9");
  EXPECT_EQ(version.inputs(0).name(), "\\xff");
  EXPECT_EQ(version.file().path(), "m/1/\\xfe.pt");
  EXPECT_EQ(version.file().saved_devices(0), "cpu");
  EXPECT_EQ(version.file().saved_devices(1), "\\xf0");
  EXPECT_EQ(version.placement().decisions(0), "é");
  v1::ListModelsResponse parsed;
  EXPECT_TRUE(parsed.ParseFromString(response.SerializeAsString()));
}

TEST(Utf8MessageTest, TheValuesOfMapsToo) {
  inference::ModelConfigResponse response;
  (*response.mutable_config()->mutable_parameters())["key"].set_string_value("\xff");
  MakeUtf8(response);
  EXPECT_EQ(response.config().parameters().at("key").string_value(), "\\xff");
}

TEST(Utf8MessageTest, BytesAreNoText) {
  v1::PredictResponse response;
  (*response.mutable_outputs())["y"].set_data("\xff");
  response.mutable_execution()->set_device("\xff");
  MakeUtf8(response);
  EXPECT_EQ(response.outputs().at("y").data(), "\xff");
  EXPECT_EQ(response.execution().device(), "\\xff");
}

}  // namespace
}  // namespace torchferry::rpc
