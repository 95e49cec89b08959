#include "server/rpc/transport/method_rules.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "grpc/health/v1/health.pb.h"
#include "grpc/reflection/v1/reflection.pb.h"
#include "grpc/reflection/v1alpha/reflection.pb.h"
#include "inference/grpc_service.pb.h"
#include "server/rpc/transport/identity_gate.h"
#include "torchferry/v1/admin.pb.h"
#include "torchferry/v1/inference.pb.h"

namespace torchferry::rpc {
namespace {

using identity::Finding;
using identity::Identity;
using identity::Recognition;
using identity::Role;
using identity::Roles;
using ::testing::HasSubstr;

// Of every service in the files that this server was built with.
std::set<std::string> Methods() {
  std::set<std::string> methods;
  for (const google::protobuf::FileDescriptor* file :
       {v1::ListModelsRequest::descriptor()->file(), v1::LoadModelRequest::descriptor()->file(),
        inference::ServerLiveRequest::descriptor()->file(), grpc::health::v1::HealthCheckRequest::descriptor()->file(),
        grpc::reflection::v1::ServerReflectionRequest::descriptor()->file(),
        grpc::reflection::v1alpha::ServerReflectionRequest::descriptor()->file()}) {
    for (int i = 0; i < file->service_count(); ++i) {
      for (int k = 0; k < file->service(i)->method_count(); ++k) {
        methods.insert(file->service(i)->method(k)->full_name());
      }
    }
  }
  return methods;
}

TEST(MethodRulesTest, EachMethodHasARowAndEachRowAMethod) {
  std::set<std::string> rows;
  for (const MethodRule& rule : MethodRules()) {
    EXPECT_TRUE(rows.insert(std::string(rule.method)).second) << rule.method << " has two rows";
    EXPECT_FALSE(rule.any_of.empty()) << rule.method;
  }
  EXPECT_EQ(rows, Methods());
}

TEST(MethodRulesTest, LoadingAndUnloadingAreForAdminsAlone) {
  for (const MethodRule& rule : MethodRules()) {
    if (rule.method.find("Load") == std::string_view::npos && rule.method.find("Unload") == std::string_view::npos)
      continue;
    EXPECT_EQ(rule.any_of, (Roles{Role::kAdmin})) << rule.method;
    EXPECT_FALSE(rule.is_probe) << rule.method;
  }
}

TEST(MethodRulesTest, AMethodWithoutARowIsForNobody) {
  const MethodRule& rule = RuleOf("torchferry.v1.InferenceService.NotThere");
  EXPECT_TRUE(rule.any_of.empty());
  EXPECT_FALSE(rule.is_probe);
}

TEST(CheckRecognisedTest, WhoIsUnknownIsToldTheSameWhateverItSent) {
  const MethodRule rule = {"a.B.C", {Role::kRead}};
  const auto alice = std::make_shared<const Identity>(Identity{"alice", {Role::kPredict}, {"*"}});
  const absl::Status nobody = CheckRecognised({}, rule, true);
  EXPECT_EQ(nobody.code(), absl::StatusCode::kUnauthenticated);
  EXPECT_THAT(std::string(nobody.message()), HasSubstr("authorization: Bearer TOKEN"));
  const absl::Status unknown = CheckRecognised({.finding = Finding::kUnknown, .identity = nullptr}, rule, true);
  EXPECT_EQ(unknown.code(), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(CheckRecognised({.finding = Finding::kExpired, .identity = alice}, rule, true), unknown);
  const absl::Status denied = CheckRecognised({.finding = Finding::kKnown, .identity = alice}, rule, true);
  EXPECT_EQ(denied.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(std::string(denied.message()), HasSubstr("identity \"alice\" has no role"));
}

TEST(CheckRecognisedTest, OneOfTheRulesRolesWillDo) {
  const auto admit = [](Roles has, Roles any_of) {
    const auto identity = std::make_shared<const Identity>(Identity{"a", has, {"*"}});
    return CheckRecognised({.finding = Finding::kKnown, .identity = identity}, {"a.B.C", any_of}, false).ok();
  };
  EXPECT_TRUE(admit({Role::kPredict}, {Role::kPredict, Role::kRead}));
  EXPECT_TRUE(admit({Role::kRead, Role::kAdmin}, {Role::kRead}));
  EXPECT_FALSE(admit({Role::kAdmin}, {Role::kPredict, Role::kRead}));
  EXPECT_FALSE(admit({Role::kPredict, Role::kRead}, {Role::kAdmin}));
  EXPECT_FALSE(admit({Role::kPredict, Role::kRead, Role::kAdmin}, {}));
}

TEST(CheckRecognisedTest, ProbesAreOpenUnlessTheyAreClosed) {
  const MethodRule probe = {"a.B.C", {Role::kRead}, true};
  for (const Finding finding : {Finding::kNobody, Finding::kUnknown, Finding::kExpired}) {
    EXPECT_TRUE(CheckRecognised({.finding = finding, .identity = nullptr}, probe, true).ok());
    EXPECT_EQ(CheckRecognised({.finding = finding, .identity = nullptr}, probe, false).code(),
              absl::StatusCode::kUnauthenticated);
  }
}

}  // namespace
}  // namespace torchferry::rpc
