// Runs a request of more rows than a batch may have, in parts.
#pragma once

#include <cstdint>

#include "server/serving/servable.h"

namespace torchferry::serving {

// Submits `task`, of a model with rows and without state, in parts of at most `rows` rows, some at a time. The answer
// is their outputs, joined by rows. The first error of a part is the answer, and no more parts are submitted then. Its
// `done` gets Servable::Submit's errors. It also gets FAILED_PRECONDITION where the outputs are not by rows, and
// RESOURCE_EXHAUSTED where they have more than `max_bytes`. `servable` outlives the call of `done`.
void SubmitInParts(Servable& servable, PredictTask task, int64_t rows, int64_t max_bytes);

}  // namespace torchferry::serving
