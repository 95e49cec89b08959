#include "server/rpc/reflection/described_services.h"

#include <google/protobuf/descriptor.pb.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "grpc/health/v1/health.pb.h"
#include "torchferry/v1/admin.pb.h"

namespace torchferry::rpc {
namespace {

class DescribedServicesTest : public testing::Test {
 protected:
  // The paths of the files, in their order; the code's name of an error.
  static std::vector<std::string> Names(const absl::StatusOr<std::vector<std::string>>& files) {
    if (!files.ok()) return {absl::StatusCodeToString(files.status().code())};
    std::vector<std::string> names;
    for (const std::string& file : *files) {
      google::protobuf::FileDescriptorProto proto;
      EXPECT_TRUE(proto.ParseFromString(file));
      names.push_back(proto.name());
    }
    return names;
  }

  // Both are in the program, whether a service has them or not.
  const std::string health_file_ = grpc::health::v1::HealthCheckRequest::descriptor()->file()->name();
  const std::string admin_file_ = v1::LoadModelRequest::descriptor()->file()->name();
  const DescribedServices services_{{"torchferry.v1.ModelAdminService"}};
  const std::vector<std::string> admin_files_ = {"torchferry/v1/admin.proto", "torchferry/v1/inference.proto"};
  const std::vector<std::string> not_found_ = {"NOT_FOUND"};
};

TEST_F(DescribedServicesTest, AFileComesWithWhatItImports) {
  EXPECT_EQ(Names(services_.FileNamed("torchferry/v1/admin.proto")), admin_files_);
  EXPECT_EQ(Names(services_.FileNamed("torchferry/v1/inference.proto")),
            std::vector<std::string>{"torchferry/v1/inference.proto"});
}

TEST_F(DescribedServicesTest, SymbolsAreServicesMethodsMessagesAndFields) {
  for (const char* symbol : {"torchferry.v1.ModelAdminService", "torchferry.v1.ModelAdminService.LoadModel",
                             "torchferry.v1.LoadModelRequest", "torchferry.v1.LoadModelRequest.model_name"}) {
    EXPECT_EQ(Names(services_.FileOfSymbol(symbol)), admin_files_) << symbol;
  }
}

TEST_F(DescribedServicesTest, WhatNoServiceHasIsNotFound) {
  EXPECT_EQ(Names(services_.FileNamed(health_file_)), not_found_);
  EXPECT_EQ(Names(services_.FileNamed("")), not_found_);
  EXPECT_EQ(Names(services_.FileNamed("../torchferry/v1/admin.proto")), not_found_);
  EXPECT_EQ(Names(services_.FileOfSymbol("grpc.health.v1.Health")), not_found_);
  EXPECT_EQ(Names(services_.FileOfSymbol("google.protobuf.FileOptions")), not_found_);
  EXPECT_EQ(Names(services_.FileOfSymbol(std::string(100'000, 'a'))), not_found_);
  EXPECT_EQ(Names(services_.FileOfExtension("torchferry.v1.LoadModelRequest", 7)), not_found_);
  EXPECT_EQ(Names(services_.FileOfExtension("google.protobuf.FileOptions", 7)), not_found_);
  EXPECT_EQ(services_.ExtensionsOf("google.protobuf.FileOptions").status().code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(services_.ExtensionsOf("torchferry.v1.LoadModelRequest").ok());
  EXPECT_TRUE(services_.ExtensionsOf("torchferry.v1.LoadModelRequest")->empty());
}

}  // namespace
}  // namespace torchferry::rpc
