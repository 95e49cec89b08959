// All limits on reading and running a forward.py's constructors. Anyone may have written the file: a load takes bounded
// time and memory for any content. Each number is far above what real models need.
#pragma once

#include <cstddef>
#include <cstdint>

namespace torchferry::plan::layer_limits {

// Depth of brackets and operators in one expression of a constructor. Real ones stay below 10.
inline constexpr size_t kMaxExpressionDepth = 64;
// Depth of blocks in a constructor.
inline constexpr size_t kMaxBlockDepth = 20;
// Depth of calls of constructors and functions. A module in a module takes two; real models stay below 30.
inline constexpr size_t kMaxCalls = 60;
// Depth of expressions, over all calls. Each level takes about a KiB of the stack.
inline constexpr size_t kMaxEvaluationDepth = 1200;
// Expressions and statements that one file runs. A network of 1,000 layers takes some 100,000.
inline constexpr size_t kMaxSteps = 2'000'000;
// Items of one list, and the total of items that are copied or compared.
inline constexpr size_t kMaxListItems = 100'000;
inline constexpr size_t kMaxItemsInAll = 2'000'000;
// Constants at the top level.
inline constexpr size_t kMaxConstants = 1000;
// Bytes of one text that a constructor builds. Names of submodules have some ten.
inline constexpr size_t kMaxTextBytes = 4096;
// Modules, counted once for each place in the tree. Each is its own class in LibTorch, of some KiB.
inline constexpr size_t kMaxModules = 20'000;
// Depth of modules.
inline constexpr size_t kMaxModuleDepth = 64;
// Words and signs of the methods of all modules. They count once for each module, because LibTorch compiles them for
// each.
inline constexpr size_t kMaxCompiledTokens = 1'000'000;
// The same for loops over modules, counted once for each turn, because LibTorch compiles each turn.
inline constexpr size_t kMaxUnrolledTokens = 1'000'000;
// Constructors that are run to find the argument that would fit, and the steps of each.
inline constexpr size_t kMaxTrials = 2000;
inline constexpr size_t kMaxStepsOfTrial = 5000;
// Depth of calls between the file's functions in a forward pass.
inline constexpr size_t kMaxFunctionCalls = 50;

}  // namespace torchferry::plan::layer_limits
