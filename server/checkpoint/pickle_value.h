// What a pickle says, as data: an arena of nodes that refer to each other by index. Nothing owns a
// node but the arena, so cycles neither leak nor recurse, and a billion-laughs nest costs what its
// bytes cost. Whoever walks the nodes must not follow references without a bound.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string_view>
#include <vector>

namespace torchferry::checkpoint {

// What a global name may be used for; the policy (pickle_globals.h) gives each name one.
enum class GlobalRole : uint8_t {
  kForeign,    // not on the list: what is made of it is a kObject that stands for nothing
  kDangerous,  // not on the list, and what an attack calls: the pickle will be refused
  kValue,      // stands for itself: torch.float32, torch.FloatStorage
  kCallable,   // a call of it becomes a kObject: torch._utils._rebuild_tensor_v2
  kMapping,    // a call of it becomes a kDict: collections.OrderedDict
  kClass,      // an instance of it, with its state, becomes a kObject: argparse.Namespace
};

enum class PickleKind : uint8_t {
  kNone,
  kBool,
  kInt,
  kBigInt,  // beyond int64: kept as its bytes, refused wherever a number is wanted
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
  bool is_instance = false;                // kObject: of a class (NEWOBJ), and not what a call gave (REDUCE)
  PickleRef state = kNoPickleRef;          // what BUILD gave a kDict or kObject
  int64_t integer = 0;                     // kBool, kInt
  double real = 0;                         // kFloat
  std::string_view text;                   // kString, kBytes, kBigInt; kGlobal: the module
  std::string_view name;                   // kGlobal: the name within its module
  // kTuple, kList: the items. kDict: key, value, key, value, … kObject: what was called, and its
  // arguments (a tuple; the value of an enum's member). kPersistent: the id.
  std::vector<PickleRef> items;
};

// A name outside the allow-list, and how the pickle wants it used.
struct ForeignGlobal {
  std::string_view module;
  std::string_view name;
  bool is_called = false;        // REDUCE
  bool is_instantiated = false;  // NEWOBJ
};

// Texts are views into the pickle's bytes, which must outlive this.
struct PickleTree {
  std::deque<PickleNode> nodes;  // a deque: growing moves nothing
  PickleRef root = kNoPickleRef;
  std::vector<ForeignGlobal> foreign;      // in order of appearance, each once
  std::optional<ForeignGlobal> dangerous;  // the first of those
  size_t consumed = 0;                     // bytes up to and with STOP
  bool breaks_off = false;                 // the input ended before STOP

  const PickleNode& operator[](PickleRef ref) const { return nodes[ref]; }
};

}  // namespace torchferry::checkpoint
