// A line in the log for each request.
#pragma once

#include "server/rpc/predict/call_observer.h"

namespace torchferry::rpc {

// "request", with method, model, version, device, code, milliseconds, the
// identity that asked where there are identities, the client's request_id where it gave one, and
// the whole message of an error. INTERNAL is logged at warning, all else at debug. What clients say is quoted, and
// names and ids are cut to 256 bytes. Costs one look at the log's level where that is above debug.
class RequestLog final : public CallObserver {
 public:
  void OnBegin(const PredictCall&) override {}
  void OnEnd(const PredictCall& call, const PredictEnd& end) override;
};

}  // namespace torchferry::rpc
