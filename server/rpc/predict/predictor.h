// A Predict between the codecs: admission, lookup, the check of its inputs, the run, metrics. Both APIs share it.
#pragma once

#include <absl/status/statusor.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "server/base/clock.h"
#include "server/metrics/metrics.h"
#include "server/registry/registry.h"
#include "server/rpc/predict/admission.h"
#include "server/rpc/predict/stream_sessions.h"

namespace torchferry::rpc {

// A decoded request. The bytes of `inputs` stay alive until the callback has returned.
struct Request {
  std::string model;
  int64_t version = 0;
  std::map<std::string, tensor::HostTensor> inputs;
  std::vector<std::string> wanted_outputs;  // empty: all
  base::TimePoint deadline = base::kNoDeadline;
  std::function<bool()> is_cancelled;
};

struct Answer {
  std::string model;
  int64_t version = 0;
  serving::PredictResult result;  // only the wanted outputs, in the wanted order
};

// Called exactly once.
using AnswerCallback = std::function<void(absl::StatusOr<Answer>)>;

// Thread-safe. Never blocks.
class Predictor {
 public:
  Predictor(const registry::Registry& registry, Admission& admission, metrics::Metrics& metrics,
            const base::Clock& clock)
      : registry_(registry), admission_(admission), metrics_(metrics), clock_(clock) {}

  // `decoded` may be an error of the codec, which is then counted and answered. `model` is the name
  // in the request. `stream` is that of the stream which the request came by, used during the call
  // alone; null: it came by none.
  void Predict(const std::string& model, int64_t version, absl::StatusOr<Request> decoded, StreamSessions* stream,
               AnswerCallback done);

 private:
  absl::StatusOr<std::shared_ptr<serving::Servable>> Find(const std::string& model, int64_t version,
                                                          const StreamSessions* stream) const;
  // Takes `done` where it returns OK.
  absl::Status Submit(std::shared_ptr<serving::Servable> servable, Request request, StreamSessions* stream,
                      AnswerCallback& done);

  const registry::Registry& registry_;
  Admission& admission_;
  metrics::Metrics& metrics_;
  const base::Clock& clock_;
};

}  // namespace torchferry::rpc
