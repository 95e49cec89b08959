// The graph of a torch.export program as plain values: torch._export.serde.schema's, without its numbers of enums.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace torchferry::checkpoint {

struct ExportedGraph;

// What a node is given or gives.
struct GraphArgument {
  enum class Kind {
    kNone,
    kTensor,    // a value of the graph, by its name in `text`; so are the three kinds of symbols
    kSymInt,    // may be known after all: then `text` is empty, and the value in `integer`
    kSymFloat,  // `number`
    kSymBool,   // `integer`
    kInt,
    kFloat,
    kBool,          // in `integer`
    kString,        // so in `text` are the four that follow
    kDType,         // "float32": what comes after "torch."
    kLayout,        // "strided", "sparse_coo"
    kMemoryFormat,  // "contiguous_format", "preserve_format", "channels_last", "channels_last_3d"
    kDevice,        // "cpu", "cuda:1"
    kComplex,       // `number` and `imaginary`
    kList,          // of `items`, which have `item_kind` or, where a tensor may be missing, kNone
    kGraph,         // of an operator that runs graphs
    kOperator,      // `text`
    kObject,        // a TorchBind object, `text`
  };

  Kind kind = Kind::kNone;
  std::string text;
  int64_t integer = 0;
  double number = 0;
  double imaginary = 0;
  Kind item_kind = Kind::kNone;  // of a list, known where it is empty, too
  std::vector<GraphArgument> items;
  std::shared_ptr<const ExportedGraph> graph;
};

// A size that the file states.
struct ExportedSize {
  // kNone, or the size: see `symbol`.
  std::optional<int64_t> known;
  // Of one that is not known: "s77", which is taken `factor` times. Empty: another expression, in `expression`.
  std::string symbol;
  int64_t factor = 1;
  std::string expression;  // as the file has it; empty where `known`
};

// What the file says of a tensor that the graph computes.
struct ExportedTensor {
  std::string dtype;   // "float32"
  std::string device;  // "cpu", "cuda:1"
  std::string layout;  // "strided"
  std::vector<ExportedSize> sizes;
};

struct NamedArgument {
  std::string name;  // of the schema's argument; empty for one of an operator without a schema
  GraphArgument value;
};

struct GraphNode {
  std::string target;  // "torch.ops.aten.linear.default", "_operator.mul", "torch.ops.higher_order.cond"
  std::vector<NamedArgument> inputs;
  std::vector<GraphArgument> outputs;  // kTensor, symbols, kNone, or kList of tensors
};

struct ExportedGraph {
  std::vector<GraphArgument> inputs;
  std::vector<GraphNode> nodes;
  std::vector<GraphArgument> outputs;
  std::unordered_map<std::string, ExportedTensor> tensors;
};

}  // namespace torchferry::checkpoint
