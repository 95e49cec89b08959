// All limits of the checkpoint reader. Anyone may have written a file: reading one takes bounded time and memory for
// any content. Each number is far above what real models need and low enough to be harmless.
#pragma once

#include <cstddef>
#include <cstdint>

namespace torchferry::limits {

// --- zip ---
// Entries of one archive. The largest public models have some thousand tensors in one file; an entry takes about 150
// bytes of the server's memory.
inline constexpr uint64_t kMaxZipEntries = 262'144;
// Bytes of an entry's name. PyTorch's longest are paths below code/, some hundred bytes.
inline constexpr uint64_t kMaxZipNameBytes = 1024;
// Bytes of the directory, which is read in one piece: 256 for each entry.
inline constexpr uint64_t kMaxZipDirectoryBytes = uint64_t{64} << 20;
// Max inflated bytes of all compressed entries of an archive: kFreeInflatedBytes plus kMaxInflationRatio times the
// file's size. Weights shrink by max a quarter; only zeros and text shrink more.
inline constexpr uint64_t kFreeInflatedBytes = uint64_t{256} << 20;
inline constexpr uint64_t kMaxInflationRatio = 20;

// --- pickle ---
// Bytes of one pickle. A tensor takes about 150, so this is some 800,000 tensors.
inline constexpr uint64_t kMaxPickleBytes = uint64_t{128} << 20;
// Values of one pickle, where memo entries and stack slots count, too. A tensor takes about 15; a value takes about 80
// bytes.
inline constexpr size_t kMaxPickleValues = 4'000'000;
// Open MARKs: the depth of literals. Python's own pickler gives up near 1,000.
inline constexpr size_t kMaxPickleMarks = 10'000;
// Bytes of one line of text (GLOBAL's module and name, INT's digits).
inline constexpr size_t kMaxPickleLineBytes = 1024;
// Distinct names outside the allow-list that are kept for the message.
inline constexpr size_t kMaxForeignGlobals = 64;

// Bytes of all NumPy arrays of a file. They stay in memory until the file has been loaded. They are in its pickle, and
// several may have the same bytes there.
inline constexpr uint64_t kMaxArrayBytes = kMaxPickleBytes;

// --- legacy checkpoints ---
// Bytes of each pickle before the object: two numbers, and a dict of a hundred bytes.
inline constexpr uint64_t kMaxLegacyHeaderBytes = 4096;

// --- safetensors ---
// The format's own limit.
inline constexpr uint64_t kMaxSafetensorsHeaderBytes = 100'000'000;
// The same as the max entries of a zip.
inline constexpr size_t kMaxSafetensorsTensors = 262'144;

// --- torch.export programs ---
// Bytes of a program's JSON, and of the JSON that lists its weights. A node takes a KB or two, and its stack trace is
// the larger part. This allows some 100,000 nodes.
inline constexpr uint64_t kMaxProgramJsonBytes = uint64_t{256} << 20;
// Values of that JSON that are kept; stack traces are not. A node and its tensor take some 40, so this allows some
// 50,000 nodes. A value takes about 110 bytes of memory while the program is read.
inline constexpr size_t kMaxProgramValues = 2'000'000;
// Depth of the JSON. A graph inside a graph takes 9 levels.
inline constexpr size_t kMaxProgramDepth = 200;
// Depth of graphs inside graphs: branches inside branches. Their conversion recurses.
inline constexpr size_t kMaxGraphDepth = 16;
// Programs of one archive.
inline constexpr size_t kMaxPrograms = 256;
// Results of one program. The next limit bounds their names.
inline constexpr size_t kMaxProgramOutputs = 4096;
// Bytes of the name of a program, of a value of its graph and of an operator.
inline constexpr size_t kMaxProgramNameBytes = 1024;
// Bytes of pickled weights that are inflated into memory. PyTorch stores them uncompressed.
inline constexpr uint64_t kMaxInflatedWeightBytes = uint64_t{256} << 20;
// Bytes of the example inputs' tensors that are read for warm-up.
inline constexpr uint64_t kMaxSampleBytes = uint64_t{64} << 20;
// Bytes of example inputs that are inflated into memory. Uncompressed ones stay in the file.
inline constexpr uint64_t kMaxInflatedSampleBytes = uint64_t{64} << 20;

// --- several files ---
// Files of one state_dict; the largest public models have some 200. Each is open until the state_dict has been loaded.
inline constexpr size_t kMaxShards = 512;
// Bytes of their index: a hundred for each tensor.
inline constexpr uint64_t kMaxShardIndexBytes = uint64_t{64} << 20;

// --- passports ---
// Bytes of one passport. Golden rows take four thirds of kMaxGoldenBytes in it, and the rest is names.
inline constexpr uint64_t kMaxPassportBytes = uint64_t{256} << 10;
// Depth of its JSON. The known fields take 7 levels.
inline constexpr size_t kMaxPassportDepth = 16;
// Members of one object in it, including unknown ones.
inline constexpr size_t kMaxPassportMembers = 512;
// Inputs, and outputs, of a signature or a golden row.
inline constexpr size_t kMaxPassportTensors = 256;
// Bytes of a text in it, without a tensor's data: a name, a commit, a source.
inline constexpr size_t kMaxPassportTextBytes = 1024;
// Entries of its lists and maps of facts: element types, metrics.
inline constexpr size_t kMaxPassportFacts = 64;
// Max of a size in a signature, and of max_batch_size.
inline constexpr int64_t kMaxPassportSize = int64_t{1} << 48;
inline constexpr int64_t kMaxPassportRows = int64_t{1} << 31;
// Golden rows, and the stored bytes of all their tensors. The model runs on the rows wherever it is placed.
inline constexpr size_t kMaxGoldenRows = 4;
inline constexpr size_t kMaxGoldenBytes = size_t{64} << 10;
// Bytes of all inputs of golden rows that are generated from seeds: 27 images of 3 x 224 x 224 numbers. They are in
// memory while a row runs.
inline constexpr size_t kMaxFilledBytes = size_t{16} << 20;
// Max of a golden row's tolerances.
inline constexpr double kMaxGoldenTolerance = 1e6;

// --- digests ---
// Bytes and entries of the list of trusted digests, which is read again for each load. A line takes one or two hundred
// bytes. A store of a thousand models with ten versions of ten files each has 100,000 lines.
inline constexpr uint64_t kMaxDigestListBytes = uint64_t{32} << 20;
inline constexpr size_t kMaxDigests = 200'000;

// --- tensors ---
inline constexpr size_t kMaxRank = 64;            // PyTorch's own limit for most operators
inline constexpr size_t kMaxTensorMetadata = 64;  // keys and values of a tensor's metadata
// Total bytes of a file's views that repeat elements (expand) and are larger than their storage. Once copied, they take
// more bytes than the file holds.
inline constexpr uint64_t kMaxExpandedBytes = uint64_t{1} << 30;

// --- devices ---
// Bytes of a device's name, "cuda:15", of which each storage has a copy, and the number of names that differ.
inline constexpr size_t kMaxDeviceBytes = 64;
inline constexpr size_t kMaxSavedDevices = 256;

// --- names of tensors ---
// Bytes of a tensor's name, and its parts between dots. PyTorch's longest have some hundred bytes and 20 parts.
inline constexpr size_t kMaxKeyBytes = 4096;
inline constexpr size_t kMaxKeyParts = 200;
// Parts of all names of a file. Each takes a view of 16 bytes, several times.
inline constexpr size_t kMaxPartsOfKeys = 2'000'000;
// Tensors and modules directly below one module. LibTorch compares each new name with all earlier ones.
inline constexpr size_t kMaxModuleMembers = 8192;
// Modules that are generated from names. Each is its own class in LibTorch, of some KiB.
inline constexpr size_t kMaxKeyModules = 100'000;
// Dicts on the path of a configured key, "trainer.ema.model". Each is searched from end to end.
inline constexpr size_t kMaxDictKeyParts = 16;

// --- TorchScript ---
// Depth of modules. PyTorch's own recursion ends near 1,000; real models stay below 20.
inline constexpr size_t kMaxModuleDepth = 200;
// Depth of values in a TorchScript pickle, which LibTorch walks by recursion. A module takes three levels.
inline constexpr size_t kMaxTorchScriptValueDepth = 1000;
// Depth of brackets in a type that a pickle spells out.
inline constexpr size_t kMaxTypeDepth = 100;
// Words and signs of code that is compiled together. LibTorch takes about a KiB for each. Large networks have some
// 50,000.
inline constexpr size_t kMaxCodeTokens = 1'000'000;
inline constexpr uint64_t kMaxCodeFileBytes = uint64_t{16} << 20;
inline constexpr uint64_t kMaxCodeBytes = uint64_t{64} << 20;
// Depth of calls between functions and methods. LibTorch inlines them by recursion. Real models stay below 50: a module
// in a module is one.
inline constexpr size_t kMaxCallDepth = 400;
// Bytes of the stack that code is compiled on (plan/compile_stack.h): some 20,000 functions of usual length.
inline constexpr uint64_t kMaxCompileStackBytes = uint64_t{8} << 30;

}  // namespace torchferry::limits
