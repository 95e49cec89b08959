// The content of a pickle as data: an arena of nodes that refer to each other by index. Only the arena owns nodes, so
// cycles neither leak nor recurse. A billion-laughs nest takes memory in proportion to its bytes. Code that walks the
// nodes must bound how many references it follows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string_view>
#include <vector>

namespace torchferry::checkpoint {

// The use that a global name may have. The policy (pickle_globals.h) gives each name one.
enum class GlobalRole : uint8_t {
  kForeign,    // not on the list: its results are kObjects that stand for nothing
  kDangerous,  // not on the list, and used by attacks: the pickle will be refused
  kValue,      // stands for itself: torch.float32, torch.FloatStorage
  kCallable,   // a call of it becomes a kObject: torch._utils._rebuild_tensor_v2
  kMapping,    // a call of it becomes a kDict: collections.OrderedDict
  kClass,      // an instance of it, with its state, becomes a kObject: argparse.Namespace
};

enum class PickleKind : uint8_t {
  kNone,
  kBool,
  kInt,
  kBigInt,  // beyond int64: kept as its bytes, refused where a number is expected
  kFloat,
  kString,
  kBytes,
  kTuple,
  kList,  // sets, too
  kDict,
  kGlobal,
  kObject,
  kPersistent,
};

// "int", "tuple" and so on, for messages.
std::string_view Name(PickleKind kind);

using PickleRef = uint32_t;
inline constexpr PickleRef kNoPickleRef = UINT32_MAX;

struct PickleNode {
  PickleKind kind = PickleKind::kNone;
  GlobalRole role = GlobalRole::kForeign;  // kGlobal
  bool is_instance = false;                // kObject: an instance of a class (NEWOBJ), not a call's result (REDUCE)
  PickleRef state = kNoPickleRef;          // the argument of BUILD, for a kDict or kObject
  int64_t integer = 0;                     // kBool, kInt
  double real = 0;                         // kFloat
  std::string_view text;                   // kString, kBytes, kBigInt; kGlobal: the module
  std::string_view name;                   // kGlobal: the name within its module
  // A kTuple and a kList have their items. A kDict has key, value, key, value, and so on. A kObject has the callable
  // and its arguments (a tuple; the value of an enum's member). A kPersistent has the id.
  std::vector<PickleRef> items;
};

// A name outside the allow-list, and how the pickle uses it.
struct ForeignGlobal {
  std::string_view module;
  std::string_view name;
  bool is_called = false;        // REDUCE
  bool is_instantiated = false;  // NEWOBJ
};

// Texts are views into the pickle's bytes, which must outlive this object.
struct PickleTree {
  std::deque<PickleNode> nodes;  // a deque: growth moves no node
  PickleRef root = kNoPickleRef;
  std::vector<ForeignGlobal> foreign;      // in order of appearance, each once
  std::optional<ForeignGlobal> dangerous;  // the first of those
  size_t consumed = 0;                     // bytes up to STOP, inclusive
  bool breaks_off = false;                 // the input ended before STOP

  const PickleNode& operator[](PickleRef ref) const { return nodes[ref]; }
};

}  // namespace torchferry::checkpoint
