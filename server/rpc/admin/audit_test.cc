#include "server/rpc/admin/audit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "server/base/logging.h"

namespace torchferry::rpc {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

std::string Line(const AuditRecord& record, const absl::Status& outcome, bool caller_has_gone = false) {
  const base::LogCapture capture(base::LogLevel::kInfo);
  record.Log(outcome, caller_has_gone);
  EXPECT_EQ(capture.Lines().size(), 1u);
  return capture.Lines().empty() ? "" : capture.Lines()[0].text;
}

const char kPeer[] = "ipv4:192.0.2.7:4711";

identity::Caller Root() {
  return identity::Caller::Known(kPeer, std::make_shared<const identity::Identity>(
                                            identity::Identity{"root@example.com", {identity::Role::kAdmin}, {"*"}}));
}

TEST(AuditTest, SaysWhoFromWhereWhatOnWhichModelAndWhatCameOfIt) {
  EXPECT_THAT(Line(AuditRecord(Root(), "LoadModel", "mlp", "1,2"), absl::OkStatus()),
              MatchesRegex("admin call identity=\"root@example.com\" peer=\"?ipv4:192.0.2.7:4711\"? method=LoadModel "
                           "model=mlp versions=\"?1,2\"? code=OK milliseconds=[0-9.e-]+"));
  EXPECT_THAT(Line(AuditRecord(identity::Caller::Unrestricted(kPeer), "UnloadModel", "mlp", ""),
                   absl::NotFoundError("nothing of that name"), true),
              MatchesRegex("admin call identity=\"\" .*code=NOT_FOUND .*error=\"nothing of that name\" "
                           "caller_has_gone=true"));
}

TEST(AuditTest, WhatTheCallerSaysForgesNothing) {
  const std::string model = "m\" identity=\"root\" code=\"OK\"\nI admin call identity=root\x1b[2K";
  const std::string line = Line(AuditRecord(Root(), "LoadModel", model, ""), absl::NotFoundError(model));
  EXPECT_THAT(line, Not(HasSubstr("\n")));
  EXPECT_THAT(line, Not(HasSubstr("\x1b")));
  EXPECT_THAT(line, HasSubstr(R"(model="m\" identity=\"root\" code=\"OK\"\nI admin call)"));
  const std::string long_line = Line(AuditRecord(Root(), "LoadModel", std::string(1 << 20, 'x'), ""),
                                     absl::NotFoundError(std::string(1 << 20, 'y')));
  EXPECT_LT(long_line.size(), 4096u);
}

}  // namespace
}  // namespace torchferry::rpc
