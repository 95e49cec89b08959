// The seam that every Predict of both APIs passes when it begins and when it ends. Metrics and the request log hang on
// it; so may whatever else watches requests.
#pragma once

#include <absl/status/status.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "server/base/clock.h"
#include "server/identity/caller.h"
#include "server/serving/servable.h"

namespace torchferry::rpc {

// What a request says of itself, even where the rest of it cannot be decoded. Views of its message, which lives until
// the answer is sent.
struct RequestHead {
  std::string_view method;         // of the service: "Predict", "ModelStreamInfer"
  const std::string& model;        // as the client named it: of any length, with any bytes
  const std::string& request_id;   // likewise; empty when the client gave none
  const identity::Caller& caller;  // whose request it is
};

// One request. Each message of a stream is one.
struct PredictCall {
  RequestHead head;
  int64_t version = 0;      // that was asked for; 0: the newest, or it could not be decoded
  bool is_admitted = true;  // false: refused, as the server drains
  base::TimePoint arrived{};
  serving::Servable* servable = nullptr;  // that is to answer; null when none was found
};

// How it ended.
struct PredictEnd {
  const absl::Status& status;  // what the client is told
  std::string_view device;     // that answered; empty when none did
  base::Duration duration{};   // from its arrival until its answer is encoded
};

// Thread-safe. Must not block. What it is given is valid during the call alone.
class CallObserver {
 public:
  virtual ~CallObserver() = default;

  // Once for each request, when its servable has been looked for, on the loop's thread.
  virtual void OnBegin(const PredictCall& call) = 0;
  // Once for each OnBegin, with the same fields, before the answer is sent, on whatever thread sends it.
  virtual void OnEnd(const PredictCall& call, const PredictEnd& end) = 0;
  // A stream was refused before its first request.
  virtual void OnStreamRefused(const absl::Status& /*why*/) {}
};

}  // namespace torchferry::rpc
