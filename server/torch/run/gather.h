// From requests to forward's arguments, and from its result to each request's outputs.
#pragma once

#include <absl/status/statusor.h>
#include <torch/script.h>

#include <span>
#include <vector>

#include "server/model/model.h"
#include "server/torch/device/device_stream.h"
#include "server/torch/graph/model_signature.h"
#include "server/torch/run/precision_border.h"

namespace torchferry::libtorch {

// One value for each of forward's arguments, in order, on the device of `stream` and in the type that `border` says.
// Rows of the requests follow one another along dimension 0; what a request leaves out takes the schema's default, or
// None. On the CPU a single request's bytes are not copied where they are as it wants them, unless `are_written`, or
// kept, by forward: they are the client's, and the arguments live no longer than it. Elsewhere the arguments may be on
// their way. Throws what LibTorch throws.
std::vector<c10::IValue> GatherArguments(const ModelSignature& signature,
                                         std::span<const tensor::BoundInputs* const> requests, StreamLease& stream,
                                         const PrecisionBorder& border, bool are_written);

// forward's result as named tensors: names from the config, else dict keys, else OUTPUT__i. Dense, in host memory. None
// is left out; the others keep their numbers. Types as `border` says. Waits for `stream`, on which forward ran, once
// for all of them. INTERNAL when it is not a tensor, tuple, list or dict of tensors, or disagrees with the config in
// its type, or with `rows` (0: nobody knows where they are, or the model has no batch dimension). Sizes are as the
// model gives them. Throws what LibTorch throws, which is where an accelerator's late errors show.
absl::StatusOr<std::vector<std::pair<std::string, at::Tensor>>> NameOutputs(const ModelSignature& signature,
                                                                            const c10::IValue& result, int64_t rows,
                                                                            const PrecisionBorder& border,
                                                                            StreamLease& stream);

// Of forward's result, in its order, Undefined for None; empty when it is not of tensors.
std::vector<at::ScalarType> TypesOf(const c10::IValue& result);

// Each request's rows of each tensor; views of the batch's memory, which they keep alive.
std::vector<model::Outputs> SplitOutputs(const std::vector<std::pair<std::string, at::Tensor>>& outputs,
                                         std::span<const tensor::BoundInputs* const> requests,
                                         bool has_batch_dimension);

}  // namespace torchferry::libtorch
