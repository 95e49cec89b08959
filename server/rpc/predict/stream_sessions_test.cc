#include "server/rpc/predict/stream_sessions.h"

#include <gmock/gmock.h>

#include "server/rpc/test_predict.h"

namespace torchferry::rpc {
namespace {

using ::testing::HasSubstr;

class StreamSessionsTest : public PredictTest {
 protected:
  std::shared_ptr<serving::Session> Open(StreamSessions& stream, int64_t asked, int64_t version = 0) {
    auto session = stream.SessionWith(Find("stateful", version), asked);
    EXPECT_TRUE(session.ok()) << session.status();
    return session.value_or(nullptr);
  }
};

TEST_F(StreamSessionsTest, AStreamKnowsNoVersionBeforeItsFirstRequest) {
  const StreamSessions stream;
  EXPECT_EQ(stream.Find("stateful", 0).value(), nullptr);
  EXPECT_EQ(stream.Find("stateful", 2).value(), nullptr);
}

TEST_F(StreamSessionsTest, EachRequestGetsTheSessionOfTheFirst) {
  StreamSessions stream;
  const auto session = Open(stream, 0);
  ASSERT_NE(session, nullptr);
  EXPECT_EQ(Open(stream, 0), session);
  EXPECT_EQ(Open(stream, 2), session);
}

TEST_F(StreamSessionsTest, WhoAsksForTheNewestKeepsTheOneHeGot) {
  StreamSessions stream;
  Open(stream, 0, 1);  // as if 1 had been the newest
  EXPECT_EQ(stream.Find("stateful", 0).value(), Find("stateful", 1));
  EXPECT_EQ(stream.Find("stateful", 1).value(), Find("stateful", 1));
  EXPECT_EQ(stream.Find("stateful", 2).value(), nullptr);
  EXPECT_EQ(stream.Find("plain", 0).value(), nullptr);
}

TEST_F(StreamSessionsTest, AVersionAskedForByNumberIsNotTheNewest) {
  StreamSessions stream;
  Open(stream, 1, 1);
  EXPECT_EQ(stream.Find("stateful", 0).value(), nullptr);
  EXPECT_EQ(stream.Find("stateful", 1).value(), Find("stateful", 1));
  // Found for a request without a version, it is that of all such requests.
  Open(stream, 0, 1);
  EXPECT_EQ(stream.Find("stateful", 0).value(), Find("stateful", 1));
}

TEST_F(StreamSessionsTest, AModelWithoutStateHasNoSession) {
  StreamSessions stream;
  EXPECT_EQ(stream.SessionWith(Find("plain"), 0).value(), nullptr);
  EXPECT_EQ(stream.Find("plain", 0).value(), nullptr);
}

TEST_F(StreamSessionsTest, APlaceIsFreeWhenItsStreamEnds) {
  StreamSessions late;
  {
    StreamSessions stream;
    Open(stream, 0);
    EXPECT_EQ(late.SessionWith(Find("stateful"), 0).status().code(), absl::StatusCode::kResourceExhausted);
  }
  EXPECT_NE(Open(late, 0), nullptr);
}

TEST_F(StreamSessionsTest, AStreamThatWasIdleIsToldThatItHasGivenWay) {
  StreamSessions idle;
  Open(idle, 0);
  StreamSessions late;
  EXPECT_EQ(late.SessionWith(Find("stateful"), 0).status().code(), absl::StatusCode::kResourceExhausted);
  clock_.Advance(serving::SessionLimit::kLeastIdle);
  EXPECT_NE(Open(late, 0), nullptr);
  for (int request = 0; request < 2; ++request) {
    const absl::Status status = idle.SessionWith(Find("stateful"), 0).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
    EXPECT_THAT(base::MessageOf(status), HasSubstr("model \"stateful\" version 2: this stream was idle"));
  }
  EXPECT_NE(Open(late, 0), nullptr);
}

TEST_F(StreamSessionsTest, AnUnloadedVersionsStateIsGoneAtOnce) {
  StreamSessions stream;
  const std::weak_ptr<serving::Servable> servable = Find("stateful");
  Open(stream, 0);
  EXPECT_FALSE(servable.expired());
  Unload("stateful", 2);
  EXPECT_TRUE(servable.expired());  // which the session and the stream held
  for (const int64_t version : {0, 2}) {
    const absl::Status status = stream.Find("stateful", version).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
    EXPECT_THAT(base::MessageOf(status), HasSubstr("model \"stateful\" version 2 was unloaded"));
  }
  EXPECT_EQ(stream.Find("stateful", 1).value(), nullptr);
}

TEST_F(StreamSessionsTest, AStreamMayEndBeforeItsVersionIsUnloaded) {
  {
    StreamSessions stream;
    Open(stream, 0);
  }
  Unload("stateful", 2);
}

}  // namespace
}  // namespace torchferry::rpc
