// Every cap of reading and running a forward.py's constructors, in one place. The file is somebody else's: a load takes
// bounded time and memory whatever it says. Each number is far above what real models need.
#pragma once

#include <cstddef>
#include <cstdint>

namespace torchferry::plan::layer_limits {

// Brackets and operators around each other in one expression of a constructor. Real ones stay below 10.
inline constexpr size_t kMaxExpressionDepth = 64;
// Blocks around each other in a constructor.
inline constexpr size_t kMaxBlockDepth = 20;
// Constructors and functions that call one another. A module in a module takes two; real models stay below 30.
inline constexpr size_t kMaxCalls = 60;
// Expressions inside one another, over all calls: each takes about a KiB of the stack.
inline constexpr size_t kMaxEvaluationDepth = 1200;
// Expressions and statements that are run in all. A network of 1,000 layers takes some 100,000.
inline constexpr size_t kMaxSteps = 2'000'000;
// Items of one list, and items that are copied or compared in all.
inline constexpr size_t kMaxListItems = 100'000;
inline constexpr size_t kMaxItemsInAll = 2'000'000;
// Constants at the top level.
inline constexpr size_t kMaxConstants = 1000;
// Bytes of one text that a constructor puts together: names of submodules have some ten.
inline constexpr size_t kMaxTextBytes = 4096;
// Modules, counted once for each place that they are at. Each is a class of its own in LibTorch, of some KiB.
inline constexpr size_t kMaxModules = 20'000;
// Modules inside one another.
inline constexpr size_t kMaxModuleDepth = 64;
// Words and signs of the methods of all modules, counted once for each module: LibTorch compiles them for each.
inline constexpr size_t kMaxCompiledTokens = 1'000'000;
// The same for loops over modules, once for each turn, which LibTorch compiles anew.
inline constexpr size_t kMaxUnrolledTokens = 1'000'000;
// Constructors that are tried to find the argument to write instead, and the steps of each.
inline constexpr size_t kMaxTrials = 2000;
inline constexpr size_t kMaxStepsOfTrial = 5000;
// Functions of the file that call one another in a forward pass.
inline constexpr size_t kMaxFunctionCalls = 50;

}  // namespace torchferry::plan::layer_limits
