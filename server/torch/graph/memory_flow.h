// Where the memory of each value of a graph may come from.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace torchferry::libtorch {

// Whether a value of this type can be written in place. An unknown type counts as one that can.
bool IsMutable(const c10::TypePtr& type);

// A place is memory that a value may refer to: a module, another attribute with its contents, a constant, or memory
// that the call makes. This finds the places of all values, and the contents of the lists, dicts, tuples and objects
// that the call makes. It ignores the order in which nodes run, and which branch is taken.
//
// Work and memory are bounded: beyond kMaxSteps or kMaxFacts, or where a value cannot be followed, IsComplete() is
// false. There is no recursion.
class MemoryFlow {
 public:
  static constexpr size_t kMaxSteps = 50'000'000;
  static constexpr size_t kMaxFacts = 4'000'000;

  // The kind of a place.
  enum class Kind { kFresh, kContainer, kModule, kAttribute, kConstant };

  enum class WriteKind {
    kInPlace,
    kAssignment,  // SetAttr; the places are those of the object
    kStatistics,  // to running statistics, which the schema does not mark
  };

  struct Place {
    Kind kind = Kind::kFresh;
    int parent = -1;   // of kModule and kAttribute: the module that has it; -1 is `self`
    std::string name;  // likewise
    size_t depth = 0;  // likewise
  };

  // One node that writes, and the places that it may write to.
  struct Write {
    torch::jit::Node* node = nullptr;
    std::vector<int> places;
    WriteKind kind = WriteKind::kInPlace;
  };

  // `graph` comes from ReachableGraph and outlives this.
  explicit MemoryFlow(torch::jit::Graph& graph, size_t max_steps = kMaxSteps);

  // The certain part of `all`. It leaves out values that only may be aliases. It also leaves out the elements of lists
  // that hold other values than attributes'.
  MemoryFlow(torch::jit::Graph& graph, const MemoryFlow& all, size_t max_steps = kMaxSteps);

  bool IsComplete() const { return is_complete_; }

  const Place& At(int place) const { return places_[place]; }
  // "encoder.cache"
  std::string PathOf(int place) const;

  // Whether the graph has constants that are tensors.
  bool HasConstants() const { return has_constants_; }

  const std::vector<Write>& writes() const { return writes_; }
  // Nodes whose effects are unknown, such as calls through an interface.
  const std::vector<torch::jit::Node*>& unknown() const { return unknown_; }

 private:
  enum class Rule {
    kCopy,     // places of `from` are places of `to`
    kLoad,     // what lies in `field` of a place of `from` goes to `to`
    kStore,    // places of `to` lie in `field` of each place of `from`
    kShuffle,  // elements of each place of `from` may change their index
    kGetAttr,  // as kLoad; of a module the attribute itself too
  };
  struct Constraint {
    Rule rule = Rule::kCopy;
    int from = 0;
    int to = 0;
    int field = 0;
    torch::jit::Node* node = nullptr;
    size_t done = 0;  // places of `from` that it has seen
  };
  struct Contents {
    int rest = 0;  // at no known field
    int any = 0;   // in all fields
    std::map<int, int> fields;
  };

  void Run(torch::jit::Graph& graph);
  void AddInputs(torch::jit::Graph& graph);
  void AddNodes(torch::jit::Graph& graph);
  void AddNode(torch::jit::Node* node);
  void AddLoop(torch::jit::Node* node);
  void AddContextManager(torch::jit::Node* node);
  void AddOperator(torch::jit::Node* node, const c10::FunctionSchema& schema);
  void AddWrites(torch::jit::Node* node, const c10::FunctionSchema& schema);
  void AddWrite(torch::jit::Node* node, int variable, WriteKind kind);
  void AddHiddenWrite(torch::jit::Node* node);
  void AddStores(torch::jit::Node* node, const torch::jit::Value* container);
  void AddAnnotated(torch::jit::Node* node, const c10::FunctionSchema& schema, const c10::AliasInfo& info,
                    const torch::jit::Value* output);
  void AddElements(torch::jit::Node* node, int to);
  void AddBare(torch::jit::Node* node, const c10::FunctionSchema& schema, const torch::jit::Value* output);

  int Of(const torch::jit::Value* value);  // its variable
  int NewVariable();
  int NewPlace(Kind kind, int parent = -1, std::string name = "", size_t depth = 0);
  int Child(int parent, torch::jit::Node* get);
  Contents& ContentsOf(int place);
  int FieldOf(int place, int field);
  int FieldNumber(const std::string& name);
  int NewContainer(const torch::jit::Value* value);
  void GiveFresh(const torch::jit::Value* value);
  int Closure(torch::jit::Node* node);

  void Copy(int from, int to);
  void Load(int from, int field, int to);
  void Store(int container, int field, int value);
  void Add(Constraint constraint);
  void AddFact(int variable, int place);
  void Queue(int variable);
  void Solve();
  void Apply(size_t constraint, int place);
  void ApplyLoad(int place, int field, int to);
  bool HoldsAttributesOnly(const torch::jit::Value* container) const;
  bool IsCertainPart() const { return all_ != nullptr; }

  const MemoryFlow* const all_ = nullptr;
  const size_t max_steps_;
  bool is_complete_ = true;
  bool has_constants_ = false;
  size_t steps_ = 0;

  std::vector<Place> places_;
  std::unordered_map<int, Contents> contents_;
  std::map<std::pair<int, std::string>, int> children_;
  std::unordered_map<std::string, int> field_numbers_;
  std::unordered_map<const torch::jit::Value*, int> containers_;        // the place that a value's node makes
  std::unordered_map<int, const torch::jit::Value*> container_values_;  // the other way

  std::unordered_map<const torch::jit::Value*, int> variables_;
  std::vector<std::vector<int>> facts_;    // the places of each variable
  std::unordered_set<uint64_t> has_fact_;  // variable and place
  std::vector<Constraint> constraints_;
  std::unordered_set<uint64_t> copies_;       // from and to
  std::vector<std::vector<size_t>> readers_;  // the constraints that read each variable
  std::vector<int> queue_;
  std::vector<bool> is_queued_;

  std::vector<Write> writes_;
  std::vector<int> written_;  // the variable of each
  std::vector<torch::jit::Node*> unknown_;
};

}  // namespace torchferry::libtorch
