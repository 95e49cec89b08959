// All limits on numbers that a client chooses. Both APIs, loading and unloading, and health check a request against
// them before any work that grows with the number. --max-message-mib bounds the bytes. Each limit is far above what
// real requests need and low enough to be harmless.
#pragma once

#include <cstddef>
#include <cstdint>

namespace torchferry::limits {

// --- names ---
// Bytes of a model's, an input's, an output's or a parameter's name. File systems hold a folder's name to 255 bytes.
inline constexpr size_t kMaxNameBytes = 1024;
// Bytes of a request's id, which the answer repeats.
inline constexpr size_t kMaxRequestIdBytes = 4096;
// Bytes that a message repeats of a text that should be short: a version, a datatype.
inline constexpr size_t kMaxShownBytes = 64;

// --- one Predict ---
// Tensors that a request sends. The elements of a tensor list count one each.
inline constexpr size_t kMaxInputs = 4096;
// Outputs that a request names.
inline constexpr size_t kMaxWantedOutputs = 4096;
// Parameters of a request, and of each of its tensors.
inline constexpr size_t kMaxParameters = 256;
// Elements of a tensor of text. Each takes some 50 bytes in the model, however short it is.
inline constexpr int64_t kMaxTextElements = 65'536;
// Dimensions of a tensor: PyTorch's own limit for most operators. Work on shapes grows with its square.
inline constexpr size_t kMaxTensorRank = 64;

// --- streams of requests ---
// Requests of one stream that are in flight at the same time. With a stateful model it is one.
inline constexpr size_t kMaxStreamRequests = 16;
// Bytes that several requests in flight of one stream hold, with their answers. A single request may have more.
inline constexpr int64_t kMaxStreamBytes = int64_t{8} << 20;

// --- loading and unloading ---
// Versions that one LoadModel names.
inline constexpr size_t kMaxLoadVersions = 256;
// Calls that load or unload, running or waiting. Each waits for the calls before it.
inline constexpr size_t kMaxAdminCalls = 256;

// --- health ---
// Watches of one connection, and of all connections. A watch holds some hundred bytes and is told of each change.
inline constexpr size_t kMaxWatchesOfConnection = 128;
inline constexpr size_t kMaxWatches = 10'000;

// --- answers ---
// Bytes of an error's text, whoever wrote it: a model's exception may hold what a client sent.
inline constexpr size_t kMaxErrorTextBytes = 65'536;
// Bytes of an error's text in a status, as it is and as HTTP/2 headers encode it. A byte outside printable ASCII takes
// three encoded bytes. Headers have a limit of 8 KiB by default; a longer text would fail the call.
inline constexpr size_t kMaxStatusTextBytes = 3000;
inline constexpr size_t kMaxEncodedStatusTextBytes = 6000;

// --- what a configuration makes the server generate ---
// Bytes of all inputs and rows of one request that a load generates, or that model_warmup describes.
inline constexpr int64_t kMaxGeneratedBytes = int64_t{1} << 30;

// Number of sizes in pad_to, and the largest size.
inline constexpr size_t kMaxPaddedSizes = 64;
inline constexpr int64_t kMaxPaddedSize = int64_t{1} << 20;

// --- labels of classes ---
// Bytes of a label file, its lines, and the bytes of one line.
inline constexpr int64_t kMaxLabelFileBytes = int64_t{16} << 20;
inline constexpr size_t kMaxLabels = 1'000'000;
inline constexpr size_t kMaxLabelBytes = 1024;

}  // namespace torchferry::limits
