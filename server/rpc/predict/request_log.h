// Writes a line in the log for each request.
#pragma once

#include "server/rpc/predict/call_observer.h"

namespace torchferry::rpc {

// The line "request" has method, model, version, device, code, milliseconds, and the whole message of an error. It has
// the caller's identity and the client's request_id, where there are such. INTERNAL is logged at warning, all else at
// debug. Clients' texts are quoted, and names and ids are cut to 256 bytes. It costs one check of the log's level where
// that is above debug.
class RequestLog final : public CallObserver {
 public:
  void OnBegin(const PredictCall&) override {}
  void OnEnd(const PredictCall& call, const PredictEnd& end) override;
};

}  // namespace torchferry::rpc
