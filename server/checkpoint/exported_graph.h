// The graph of a torch.export program as plain values. It is that of torch._export.serde.schema, without its numbers of
// enums.
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

// An input or output of a node.
struct GraphArgument {
  enum class Kind {
    kNone,
    kTensor,    // a value of the graph, by its name in `text`; so are the three kinds of symbols
    kSymInt,    // its value may be known: then `text` is empty, and `integer` has it
    kSymFloat,  // if known, `number` has its value
    kSymBool,   // if known, `integer` has its value
    kInt,
    kFloat,
    kBool,          // in `integer`
    kString,        // in `text`, like the four that follow
    kDType,         // "float32", without "torch."
    kLayout,        // "strided", "sparse_coo"
    kMemoryFormat,  // "contiguous_format", "preserve_format", "channels_last", "channels_last_3d"
    kDevice,        // "cpu", "cuda:1"
    kComplex,       // `number` and `imaginary`
    kList,          // `items`, which have `item_kind` or, where a tensor may be missing, kNone
    kGraph,         // `graph`, for an operator that runs graphs
    kOperator,      // `text`
    kObject,        // a TorchBind object, `text`
  };

  Kind kind = Kind::kNone;
  std::string text;
  int64_t integer = 0;
  double number = 0;
  double imaginary = 0;
  Kind item_kind = Kind::kNone;  // of a list; known also for an empty list
  std::vector<GraphArgument> items;
  std::shared_ptr<const ExportedGraph> graph;
};

// A size that the file states.
struct ExportedSize {
  // The size, or nothing where it is not known: see `symbol`.
  std::optional<int64_t> known;
  // The symbol of a size that is not known, "s77"; the size is `factor` times the symbol. Empty: the size is another
  // expression, in `expression`.
  std::string symbol;
  int64_t factor = 1;
  std::string expression;  // text of the file; empty where `known`
};

// The file's statements about a tensor that the graph computes.
struct ExportedTensor {
  std::string dtype;   // "float32"
  std::string device;  // "cpu", "cuda:1"
  std::string layout;  // "strided"
  std::vector<ExportedSize> sizes;
};

struct NamedArgument {
  std::string name;  // of the schema's argument; empty where the operator has no schema
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
