// Converts requests to forward's arguments, and its result to each request's outputs.
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
// Rows of the requests follow one another along dimension 0. An input that a request leaves out takes the schema's
// default, or None. On the CPU the bytes of a single request are not copied where they fit as they are, unless forward
// writes or keeps them (`are_written`). These bytes are the client's, and must outlive the arguments. On other devices
// the copies may still be in flight. Throws what LibTorch throws.
std::vector<c10::IValue> GatherArguments(const ModelSignature& signature,
                                         std::span<const tensor::BoundInputs* const> requests, StreamLease& stream,
                                         const PrecisionBorder& border, bool are_written);

// forward's result as named tensors, dense and in host memory. Names come from the config, else from dict keys, else
// they are OUTPUT__i. A None is left out, and the other outputs keep their numbers. `border` gives the types. Waits
// once for `stream`, on which forward ran. INTERNAL when the result is not a tensor, tuple, list or dict of tensors.
// INTERNAL also when it disagrees with the config's types or with `rows`. `rows` is 0 where the rows' dimension is
// unknown, or the model has no batch dimension. Sizes are as the model gives them. Throws what LibTorch throws: an
// accelerator's late errors appear here.
absl::StatusOr<std::vector<std::pair<std::string, at::Tensor>>> NameOutputs(const ModelSignature& signature,
                                                                            const c10::IValue& result, int64_t rows,
                                                                            const PrecisionBorder& border,
                                                                            StreamLease& stream);

// The element types of forward's result, in its order, with Undefined for None. Empty when the result is not of
// tensors.
std::vector<at::ScalarType> TypesOf(const c10::IValue& result);

// Each request's rows of each tensor, as views that keep the batch's memory alive. Long rows (tensor/long_bytes.h) that
// would keep much other memory alive are copied.
std::vector<model::Outputs> SplitOutputs(const std::vector<std::pair<std::string, at::Tensor>>& outputs,
                                         std::span<const tensor::BoundInputs* const> requests,
                                         bool has_batch_dimension);

}  // namespace torchferry::libtorch
