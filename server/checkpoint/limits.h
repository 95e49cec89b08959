// Every cap of the checkpoint reader, in one place. A file is somebody else's: reading one takes
// bounded time and memory whatever it holds. Each number is far above what real models need and low
// enough to be harmless.
#pragma once

#include <cstddef>
#include <cstdint>

namespace torchferry::limits {

// --- zip ---
// Entries of one archive. The largest public models have some thousand tensors in one file; an
// entry costs about 150 bytes of our memory.
inline constexpr uint64_t kMaxZipEntries = 262'144;
// Bytes of an entry's name. PyTorch's longest are paths below code/, some hundred bytes.
inline constexpr uint64_t kMaxZipNameBytes = 1024;
// Bytes of the directory, which is read at once: 256 for each entry.
inline constexpr uint64_t kMaxZipDirectoryBytes = uint64_t{64} << 20;
// What the compressed entries of an archive may inflate to in all: kFreeInflatedBytes plus
// kMaxInflationRatio times the file's size. Weights shrink by a quarter at best; only zeros and
// text do better.
inline constexpr uint64_t kFreeInflatedBytes = uint64_t{256} << 20;
inline constexpr uint64_t kMaxInflationRatio = 20;

// --- pickle ---
// Bytes of one pickle: about 150 for each tensor, so this is some 800,000 tensors.
inline constexpr uint64_t kMaxPickleBytes = uint64_t{128} << 20;
// Values of one pickle, memo entries and stack slots alike. A tensor takes about 15; a value costs
// about 80 bytes.
inline constexpr size_t kMaxPickleValues = 4'000'000;
// Open MARKs: how deep literals nest. Python's own pickler gives up near 1,000.
inline constexpr size_t kMaxPickleMarks = 10'000;
// Bytes of one line of text (GLOBAL's module and name, INT's digits).
inline constexpr size_t kMaxPickleLineBytes = 1024;
// Distinct names outside the allow-list that are remembered for the message.
inline constexpr size_t kMaxForeignGlobals = 64;

// Bytes of all NumPy arrays of a file, which are kept in memory until it has been loaded. They are in its pickle, and
// several may be made of the same bytes there.
inline constexpr uint64_t kMaxArrayBytes = kMaxPickleBytes;

// --- legacy checkpoints ---
// Bytes of each pickle before the object: a number, a number, a dict of a hundred bytes.
inline constexpr uint64_t kMaxLegacyHeaderBytes = 4096;

// --- safetensors ---
// The format's own limit.
inline constexpr uint64_t kMaxSafetensorsHeaderBytes = 100'000'000;
// As many as a zip may have entries.
inline constexpr size_t kMaxSafetensorsTensors = 262'144;

// --- torch.export programs ---
// Bytes of a program's JSON, and of the JSON that lists its weights. A node takes a KB or two, and most of that is its
// stack trace: so this is some 100,000 nodes.
inline constexpr uint64_t kMaxProgramJsonBytes = uint64_t{256} << 20;
// Values of that JSON which are kept: stack traces are not. A node and its tensor take some 40, so this is some 50,000
// nodes. A value costs about 110 bytes of our memory while the program is read.
inline constexpr size_t kMaxProgramValues = 2'000'000;
// How deep the JSON nests. A graph inside a graph takes 9 of it.
inline constexpr size_t kMaxProgramDepth = 200;
// Graphs inside graphs: branches inside branches. Converting them recurses.
inline constexpr size_t kMaxGraphDepth = 16;
// Programs of one archive.
inline constexpr size_t kMaxPrograms = 256;
// Results of one program, which have names of up to so many bytes as follows.
inline constexpr size_t kMaxProgramOutputs = 4096;
// Bytes of the name of a program, of a value of its graph and of an operator.
inline constexpr size_t kMaxProgramNameBytes = 1024;
// Bytes of pickled weights that are inflated into memory; PyTorch stores them as they are.
inline constexpr uint64_t kMaxInflatedWeightBytes = uint64_t{256} << 20;
// Bytes of the example inputs' tensors that are read for warm-up.
inline constexpr uint64_t kMaxSampleBytes = uint64_t{64} << 20;
// Bytes of example inputs that are inflated into memory; those that are stored as they are stay in the file.
inline constexpr uint64_t kMaxInflatedSampleBytes = uint64_t{64} << 20;

// --- several files ---
// Files that one state_dict is in; the largest public models have some 200. Each is open until it has been loaded.
inline constexpr size_t kMaxShards = 512;
// Bytes of their index: a hundred for each tensor.
inline constexpr uint64_t kMaxShardIndexBytes = uint64_t{64} << 20;

// --- passports ---
// Bytes of one. Golden rows take four thirds of kMaxGoldenBytes in it, and the rest is names.
inline constexpr uint64_t kMaxPassportBytes = uint64_t{256} << 10;
// How deep its JSON nests. What is read of it takes 7.
inline constexpr size_t kMaxPassportDepth = 16;
// Members of one object of it: those that nobody knows count.
inline constexpr size_t kMaxPassportMembers = 512;
// Inputs, and outputs, of a signature or a golden row.
inline constexpr size_t kMaxPassportTensors = 256;
// Bytes of a text in it, but for a tensor's data: a name, a commit, a source.
inline constexpr size_t kMaxPassportTextBytes = 1024;
// Entries of its lists and maps of facts: element types, metrics.
inline constexpr size_t kMaxPassportFacts = 64;
// Of a size in a signature, and of max_batch_size.
inline constexpr int64_t kMaxPassportSize = int64_t{1} << 48;
inline constexpr int64_t kMaxPassportRows = int64_t{1} << 31;
// Rows that the model is run on wherever it is placed, and bytes of all their tensors that are stored.
inline constexpr size_t kMaxGoldenRows = 4;
inline constexpr size_t kMaxGoldenBytes = size_t{64} << 10;
// Bytes of all inputs of golden rows that are generated from seeds: 27 images of 3 x 224 x 224 numbers. They are in
// memory while a row runs.
inline constexpr size_t kMaxFilledBytes = size_t{16} << 20;
// Of a golden row's tolerances.
inline constexpr double kMaxGoldenTolerance = 1e6;

// --- digests ---
// Of the list of trusted digests, which is read anew for each load: a line takes a hundred bytes or two. A store of a
// thousand models with ten versions of ten files each has 100,000.
inline constexpr uint64_t kMaxDigestListBytes = uint64_t{32} << 20;
inline constexpr size_t kMaxDigests = 200'000;

// --- tensors ---
inline constexpr size_t kMaxRank = 64;            // PyTorch's own limit for most operators
inline constexpr size_t kMaxTensorMetadata = 64;  // keys and values of a tensor's metadata
// Views that repeat elements (expand) take more bytes once they are copied than the file holds. In
// all so many bytes of a file may be such.
inline constexpr uint64_t kMaxExpandedBytes = uint64_t{1} << 30;

// --- devices ---
// Bytes of a device's name, "cuda:15", of which each storage has a copy; and names that differ, which are listed.
inline constexpr size_t kMaxDeviceBytes = 64;
inline constexpr size_t kMaxSavedDevices = 256;

// --- names of tensors ---
// Bytes of a tensor's name, and its parts between dots. PyTorch's longest have some hundred bytes and 20 parts.
inline constexpr size_t kMaxKeyBytes = 4096;
inline constexpr size_t kMaxKeyParts = 200;
// Parts of all names of a file: a view of 16 bytes each, several times.
inline constexpr size_t kMaxPartsOfKeys = 2'000'000;
// Tensors and modules directly below one module: LibTorch compares each new name with all before it.
inline constexpr size_t kMaxModuleMembers = 8192;
// Modules that are made of names. Each is a class of its own in LibTorch, of some KiB.
inline constexpr size_t kMaxKeyModules = 100'000;
// Dicts that a configured key goes through, "trainer.ema.model". Each is searched from end to end.
inline constexpr size_t kMaxDictKeyParts = 16;

// --- TorchScript ---
// Modules inside modules. PyTorch's own recursion ends near 1,000; real models stay below 20.
inline constexpr size_t kMaxModuleDepth = 200;
// Values inside values of a TorchScript pickle, which LibTorch walks by recursion: a module takes three of them.
inline constexpr size_t kMaxTorchScriptValueDepth = 1000;
// Brackets inside brackets of a type that a pickle spells out.
inline constexpr size_t kMaxTypeDepth = 100;
// Words and signs of code that is compiled together, of which LibTorch makes about a KiB each. Large networks have some
// 50,000.
inline constexpr size_t kMaxCodeTokens = 1'000'000;
inline constexpr uint64_t kMaxCodeFileBytes = uint64_t{16} << 20;
inline constexpr uint64_t kMaxCodeBytes = uint64_t{64} << 20;
// Functions and methods that call one another. LibTorch puts them into each other by recursion. Real models stay below
// 50: a module in a module is one.
inline constexpr size_t kMaxCallDepth = 400;
// Bytes of the stack that code is compiled on (plan/compile_stack.h): some 20,000 functions of usual length.
inline constexpr uint64_t kMaxCompileStackBytes = uint64_t{8} << 30;

}  // namespace torchferry::limits
