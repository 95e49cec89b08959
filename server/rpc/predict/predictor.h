// Carries out a Predict between the codecs: admission, lookup, the check of its inputs, and the run. Both APIs share
// it.
#pragma once

#include <absl/status/statusor.h>

#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/base/clock.h"
#include "server/registry/registry.h"
#include "server/rpc/predict/admission.h"
#include "server/rpc/predict/call_observer.h"
#include "server/rpc/predict/flights.h"
#include "server/rpc/predict/stream_sessions.h"

namespace torchferry::rpc {

// A decoded request. The bytes of `inputs` stay alive until the answer is sent.
struct Request {
  int64_t version = 0;  // 0: the newest
  std::map<std::string, tensor::HostTensor> inputs;
  std::vector<std::string> wanted_outputs;  // empty: all
  base::TimePoint deadline = base::kNoDeadline;
  std::function<bool()> is_cancelled;
  uint64_t priority = 0;        // from the client; 0: the model's default
  bool names_sequence = false;  // it has a sequence_id: a stateful model refuses it, others ignore it
  // By output: the number of its largest elements that are wanted instead of all (top_classes.h).
  std::map<std::string, int64_t> top_classes;
};

struct Answer {
  std::string model;
  int64_t version = 0;
  serving::PredictResult result;  // only the wanted outputs, in the wanted order
};

// How an API answers. Called on the thread that has the answer.
struct Reply {
  // Puts the answer into the response. Called max once, before `send`. The client gets its error or exception instead
  // of the answer.
  std::function<absl::Status(const Answer&)> encode;
  // Sends the response, or the error. Called exactly once. The request's message may be gone when it returns, unless
  // `keep` was called.
  std::function<void(const absl::Status&)> send;
  // Keeps the request's bytes beyond `send`. Called max once, before `send`. Null: the bytes are kept anyway.
  std::function<std::shared_ptr<const void>()> keep = nullptr;
  // Makes room for `bytes` bytes beside the request, before `encode`. RESOURCE_EXHAUSTED: there is no room. Null:
  // memory is not counted.
  std::function<absl::Status(int64_t bytes)> reserve = nullptr;
};

struct PredictLimits {
  // A larger answer is RESOURCE_EXHAUSTED, and dropped before it is encoded.
  int64_t answer_bytes = std::numeric_limits<int64_t>::max();
  serving::FlightLimits client{};  // of each client; a model's limits are its servable's
  base::Duration stream_idle{0};   // max time between requests of a stream with a state; zero: no limit
};

// Thread-safe. Never blocks.
class Predictor {
 public:
  // `observers` are told of each request, in this order. All arguments outlive the predictor. The predictor outlives
  // the requests.
  Predictor(const registry::Registry& registry, Admission& admission, std::vector<CallObserver*> observers,
            const base::Clock& clock, const PredictLimits& limits = {})
      : registry_(registry), admission_(admission), observers_(std::move(observers)), clock_(clock), limits_(limits) {}

  base::Duration max_stream_idle() const { return limits_.stream_idle; }
  // Takes a place for a stream that begins. RESOURCE_EXHAUSTED: its client may have no more streams.
  absl::StatusOr<Flights::Place> EnterStream(const identity::Caller& caller);

  // `request` may be an error of the codec, which is then counted and answered. `stream` belongs to the stream that
  // brought the request, and is used only during the call. Null: no stream brought it.
  void Predict(const RequestHead& head, absl::StatusOr<Request> request, StreamSessions* stream, Reply reply);
  // Whether the version that would answer `caller` now keeps a state for each stream. Requests of `stream` must then
  // come one after another.
  bool IsStateful(const identity::Caller& caller, const std::string& model, int64_t version,
                  const StreamSessions& stream) const;

 private:
  struct InFlight;

  absl::StatusOr<std::shared_ptr<serving::Servable>> Find(const identity::Caller& caller, const std::string& model,
                                                          int64_t version, const StreamSessions* stream) const;
  // Takes the request's places among those of its client and its model. RESOURCE_EXHAUSTED: no place is free.
  absl::Status TakePlaces(InFlight& call, const Request& request, StreamSessions* stream);
  // An error: the request was not submitted, and `call` must still be ended.
  absl::Status Submit(const std::shared_ptr<InFlight>& call, Request request, StreamSessions* stream);
  void End(InFlight& call, const absl::StatusOr<Answer>& answer);

  const registry::Registry& registry_;
  Admission& admission_;
  const std::vector<CallObserver*> observers_;
  const base::Clock& clock_;
  const PredictLimits limits_;
  Flights flights_;
};

}  // namespace torchferry::rpc
