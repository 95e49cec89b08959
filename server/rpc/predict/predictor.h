// A Predict between the codecs: admission, lookup, the check of its inputs, the run. Both APIs share it.
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

// What a request asks for. The bytes of `inputs` stay alive until the answer is sent.
struct Request {
  int64_t version = 0;  // 0: the newest
  std::map<std::string, tensor::HostTensor> inputs;
  std::vector<std::string> wanted_outputs;  // empty: all
  base::TimePoint deadline = base::kNoDeadline;
  std::function<bool()> is_cancelled;
  uint64_t priority = 0;        // as the client says: 0 is the model's default
  bool names_sequence = false;  // which a stateful model does not know, and another has no use for
  // Outputs of which so many largest elements are wanted instead (top_classes.h).
  std::map<std::string, int64_t> top_classes;
};

struct Answer {
  std::string model;
  int64_t version = 0;
  serving::PredictResult result;  // only the wanted outputs, in the wanted order
};

// How an API answers. On the thread that has the answer.
struct Reply {
  // Puts the answer into the response. At most once, before `send`. An error, or an exception, is what the client gets
  // instead.
  std::function<absl::Status(const Answer&)> encode;
  // Sends the response, or the error. Exactly once; the request's message may be gone when it returns, unless `keep`
  // was called.
  std::function<void(const absl::Status&)> send;
  // Keeps the request's bytes beyond `send`. At most once, before it; null: they are kept anyway.
  std::function<std::shared_ptr<const void>()> keep = nullptr;
  // Makes room for so many bytes beside the request, before `encode`. RESOURCE_EXHAUSTED: there is none. Null: nobody
  // counts.
  std::function<absl::Status(int64_t bytes)> reserve = nullptr;
};

struct PredictLimits {
  // An answer of more is RESOURCE_EXHAUSTED, and dropped before it is encoded.
  int64_t answer_bytes = std::numeric_limits<int64_t>::max();
  serving::FlightLimits client{};  // of each; those of a model are its servable's
  base::Duration stream_idle{0};   // of a stream with a state, between its requests; zero: any
};

// Thread-safe. Never blocks.
class Predictor {
 public:
  // `observers` are told of each request, in this order. All outlive the predictor, and it the requests.
  Predictor(const registry::Registry& registry, Admission& admission, std::vector<CallObserver*> observers,
            const base::Clock& clock, const PredictLimits& limits = {})
      : registry_(registry), admission_(admission), observers_(std::move(observers)), clock_(clock), limits_(limits) {}

  base::Duration max_stream_idle() const { return limits_.stream_idle; }
  // The place of a stream that begins. RESOURCE_EXHAUSTED: its client has no place for another.
  absl::StatusOr<Flights::Place> EnterStream(const identity::Caller& caller);

  // `request` may be an error of the codec, which is then counted and answered. `stream` is that of the stream which
  // the request came by, used during the call alone; null: it came by none.
  void Predict(const RequestHead& head, absl::StatusOr<Request> request, StreamSessions* stream, Reply reply);
  // Whether what would answer `caller` now keeps a state for each stream: requests of `stream` then come one after
  // another.
  bool IsStateful(const identity::Caller& caller, const std::string& model, int64_t version,
                  const StreamSessions& stream) const;

 private:
  struct UnderWay;

  absl::StatusOr<std::shared_ptr<serving::Servable>> Find(const identity::Caller& caller, const std::string& model,
                                                          int64_t version, const StreamSessions* stream) const;
  // The places of a request among those of its client and its model. RESOURCE_EXHAUSTED: there is none.
  absl::Status TakePlaces(UnderWay& call, const Request& request, StreamSessions* stream);
  // An error: it has not been submitted, and `call` is still to be ended.
  absl::Status Submit(const std::shared_ptr<UnderWay>& call, Request request, StreamSessions* stream);
  void End(UnderWay& call, const absl::StatusOr<Answer>& answer);

  const registry::Registry& registry_;
  Admission& admission_;
  const std::vector<CallObserver*> observers_;
  const base::Clock& clock_;
  const PredictLimits limits_;
  Flights flights_;
};

}  // namespace torchferry::rpc
