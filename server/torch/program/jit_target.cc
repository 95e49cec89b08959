#include "server/torch/program/jit_target.h"

#include <fmt/format.h>
#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/runtime/custom_operator.h>
#include <torch/csrc/jit/runtime/operator.h>

#include <limits>
#include <stdexcept>
#include <unordered_map>

namespace torchferry::libtorch {
namespace {

using torch::jit::Node;

// TorchScript never finds aten::view.dtype, as an element type is an int to it. This is the same operator.
constexpr char kViewAsType[] = "torchferry::view_dtype";

void ViewAsType(torch::jit::Stack& stack) {
  const auto type = static_cast<at::ScalarType>(torch::jit::pop(stack).toInt());
  torch::jit::push(stack, torch::jit::pop(stack).toTensor().view(type));
}

void RegisterOperators() {
  static const torch::jit::RegisterOperators kRegistered(
      {torch::jit::Operator(fmt::format("{}(Tensor(a) self, int dtype) -> Tensor(a)", kViewAsType), ViewAsType,
                            c10::AliasAnalysisKind::FROM_SCHEMA)});
}

// Python's names and TorchScript's, which differ for some.
const std::unordered_map<std::string, std::string>& ArithmeticNames() {
  static const auto* const kNames = new std::unordered_map<std::string, std::string>{{"add", "aten::add"},
                                                                                     {"sub", "aten::sub"},
                                                                                     {"mul", "aten::mul"},
                                                                                     {"floordiv", "aten::floordiv"},
                                                                                     {"truediv", "aten::div"},
                                                                                     {"mod", "aten::remainder"},
                                                                                     {"pow", "aten::pow"},
                                                                                     {"neg", "aten::neg"},
                                                                                     {"abs", "prim::abs"},
                                                                                     {"eq", "aten::eq"},
                                                                                     {"ne", "aten::ne"},
                                                                                     {"lt", "aten::lt"},
                                                                                     {"le", "aten::le"},
                                                                                     {"gt", "aten::gt"},
                                                                                     {"ge", "aten::ge"},
                                                                                     {"and_", "aten::__and__"},
                                                                                     {"or_", "aten::__or__"},
                                                                                     {"xor", "aten::__xor__"},
                                                                                     {"lshift", "aten::__lshift__"},
                                                                                     {"rshift", "aten::__rshift__"},
                                                                                     {"not_", "aten::__not__"},
                                                                                     {"max", "prim::max"},
                                                                                     {"min", "prim::min"},
                                                                                     {"ceil", "aten::ceil"},
                                                                                     {"floor", "aten::floor"},
                                                                                     {"trunc", "aten::Int"},
                                                                                     {"round", "aten::round"},
                                                                                     {"sqrt", "aten::sqrt"},
                                                                                     {"exp", "aten::exp"},
                                                                                     {"log", "aten::log"},
                                                                                     {"log2", "aten::log2"},
                                                                                     {"sin", "aten::sin"},
                                                                                     {"cos", "aten::cos"},
                                                                                     {"tan", "aten::tan"},
                                                                                     {"asin", "aten::asin"},
                                                                                     {"acos", "aten::acos"},
                                                                                     {"atan", "aten::atan"},
                                                                                     {"sinh", "aten::sinh"},
                                                                                     {"cosh", "aten::cosh"},
                                                                                     {"tanh", "aten::tanh"}};
  return *kNames;
}

}  // namespace

JitTarget::JitTarget(torch::jit::Module module)
    : module_(std::move(module)),
      graph_(std::make_shared<torch::jit::Graph>()),
      self_(graph_->addInput("self")->setType(module_.type())) {
  RegisterOperators();
}

JitTarget::~JitTarget() = default;

torch::jit::Module JitTarget::Finish() {
  graph_->lint();
  const c10::QualifiedName name(*module_.type()->name(), "forward");
  module_.type()->addMethod(module_._ivalue()->compilation_unit()->create_function(name, graph_));
  return module_;
}

JitTarget::Value JitTarget::Keep(torch::jit::Value* value) {
  values_.push_back(value);
  return static_cast<Value>(values_.size() - 1);
}

std::vector<torch::jit::Value*> JitTarget::Of(const Values& values) const {
  std::vector<torch::jit::Value*> found;
  found.reserve(values.size());
  for (const Value value : values) found.push_back(Of(value));
  return found;
}

c10::TypePtr JitTarget::TypeOf(Value value) const { return Of(value)->type(); }

std::optional<c10::IValue> JitTarget::Known(Value value) const { return torch::jit::toIValue(Of(value)); }

std::optional<at::IntArrayRef> JitTarget::KnownShape(Value value) const {
  const Node* node = Of(value)->node();
  std::vector<std::string> path;
  for (; node->kind() == c10::prim::GetAttr; node = node->input()->node()) path.push_back(node->s(c10::attr::name));
  if (path.empty() || node->kind() != c10::prim::Param) return std::nullopt;
  c10::IValue found = module_._ivalue();
  for (auto name = path.rbegin(); name != path.rend(); ++name) found = found.toObjectRef().getAttr(*name);
  if (!found.isTensor()) return std::nullopt;
  return found.toTensor().sizes();
}

JitTarget::Value JitTarget::Input(const std::string& name, const c10::TypePtr& type) {
  return Keep(graph_->addInput(name)->setType(type));
}

torch::jit::Value* JitTarget::Module(const std::string& path) {
  if (path.empty()) return self_;
  torch::jit::Value*& value = modules_[path];
  if (value != nullptr) return value;
  const size_t dot = path.rfind('.');
  torch::jit::Value* owner = Module(dot == std::string::npos ? "" : path.substr(0, dot));
  return value = graph_->insertGetAttr(owner, dot == std::string::npos ? path : path.substr(dot + 1));
}

JitTarget::Value JitTarget::Weight(const std::string& key) {
  const auto [found, is_new] = weights_.try_emplace(key, 0);
  if (!is_new) return found->second;
  const size_t dot = key.rfind('.');
  torch::jit::Value* owner = Module(dot == std::string::npos ? "" : key.substr(0, dot));
  found->second = Keep(graph_->insertGetAttr(owner, dot == std::string::npos ? key : key.substr(dot + 1)));
  return found->second;
}

JitTarget::Value JitTarget::Constant(const c10::IValue& value) { return Keep(graph_->insertConstant(value)); }

JitTarget::Value JitTarget::List(const c10::TypePtr& element, const Values& items) {
  return Keep(graph_->insertNode(graph_->createList(element, Of(items)))->output());
}

JitTarget::Values JitTarget::Unpack(Value list, size_t count) {
  Values values;
  for (torch::jit::Value* value : graph_->insertNode(graph_->createListUnpack(Of(list), count))->outputs()) {
    values.push_back(Keep(value));
  }
  return values;
}

JitTarget::Values JitTarget::Call(const c10::FunctionSchema& schema, const Values& arguments) {
  const bool views_as_type = schema.name() == "aten::view" && schema.overload_name() == "dtype";
  const auto kind = c10::Symbol::fromQualString(views_as_type ? kViewAsType : schema.name());
  Node* node = graph_->insertNode(graph_->create(kind, Of(arguments), schema.returns().size()));
  Values results;
  for (size_t i = 0; i < node->outputs().size(); ++i) {
    results.push_back(Keep(node->output(i)->setType(schema.returns()[i].type())));
  }
  // TorchScript finds the operator anew when the code runs, by its name and the types of the arguments.
  const c10::FunctionSchema* found = node->maybeSchema();
  if (found == nullptr) throw std::invalid_argument("its arguments have types that TorchScript does not take for it");
  if (!views_as_type && found->overload_name() != schema.overload_name()) {
    throw std::invalid_argument(
        fmt::format("TorchScript would run its form \"{}\" for these arguments", found->overload_name()));
  }
  return results;
}

JitTarget::Value JitTarget::Insert(const std::string& qualified_name,
                                   const std::vector<torch::jit::Value*>& arguments) {
  const std::vector<torch::jit::NamedValue> named(arguments.begin(), arguments.end());
  return Keep(graph_->insert(c10::Symbol::fromQualString(qualified_name), named));
}

JitTarget::Value JitTarget::Arithmetic(const std::string& function, const Values& arguments) {
  const auto name = ArithmeticNames().find(function);
  if (name == ArithmeticNames().end()) throw std::invalid_argument("is no arithmetic that this server knows");
  return Insert(name->second, Of(arguments));
}

JitTarget::Value JitTarget::Number(c10::TypeKind kind, Value value) {
  if (Of(value)->type()->kind() == kind) return value;
  const char* name = kind == c10::TypeKind::IntType     ? "aten::Int"
                     : kind == c10::TypeKind::FloatType ? "aten::Float"
                                                        : "aten::Bool";
  return Insert(name, {Of(value)});
}

JitTarget::Value JitTarget::Property(const std::string& name, const Values& arguments) {
  return Insert("aten::" + name, Of(arguments));
}

void JitTarget::FillBlock(torch::jit::Block* block, const Block& fill) {
  const torch::jit::WithInsertPoint point(block);
  for (torch::jit::Value* value : Of(fill())) block->registerOutput(value);
}

JitTarget::Values JitTarget::If(Value condition, const Block& then, const Block& otherwise) {
  Node* node = graph_->insertNode(graph_->create(c10::prim::If, {Of(condition)}, 0));
  FillBlock(node->addBlock(), then);
  FillBlock(node->addBlock(), otherwise);
  const auto results = node->blocks()[0]->outputs();
  const auto others = node->blocks()[1]->outputs();
  if (results.size() != others.size()) throw std::invalid_argument("its two branches give different numbers of values");
  Values values;
  for (size_t i = 0; i < results.size(); ++i) {
    if (*results[i]->type() != *others[i]->type()) {
      throw std::invalid_argument(
          fmt::format("its two branches give a {} and a {}", results[i]->type()->str(), others[i]->type()->str()));
    }
    values.push_back(Keep(node->addOutput()->setType(results[i]->type())));
  }
  return values;
}

JitTarget::Values JitTarget::While(const Values& carried, const LoopBlock& condition, const LoopBlock& body) {
  std::vector<torch::jit::Value*> inputs = {graph_->insertConstant(std::numeric_limits<int64_t>::max()),
                                            Of(condition(carried).at(0))};
  for (torch::jit::Value* value : Of(carried)) inputs.push_back(value);
  Node* loop = graph_->insertNode(graph_->create(c10::prim::Loop, inputs, 0));
  torch::jit::Block* block = loop->addBlock();
  block->addInput()->setType(c10::IntType::get());
  Values inside;
  for (const Value value : carried) inside.push_back(Keep(block->addInput()->setType(TypeOf(value))));
  FillBlock(block, [&] {
    const Values next = body(inside);
    if (next.size() != carried.size()) {
      throw std::invalid_argument(fmt::format("its body gives {} values and carries {}", next.size(), carried.size()));
    }
    Values results = condition(next);
    results.resize(1);
    for (size_t i = 0; i < next.size(); ++i) {
      if (*TypeOf(next[i]) != *TypeOf(carried[i])) {
        throw std::invalid_argument(
            fmt::format("its body makes a {} of a {}", TypeOf(next[i])->str(), TypeOf(carried[i])->str()));
      }
      results.push_back(next[i]);
    }
    return results;
  });
  Values values;
  for (const Value value : carried) values.push_back(Keep(loop->addOutput()->setType(TypeOf(value))));
  return values;
}

void JitTarget::Assert(Value condition, const std::string& message) {
  // A node without results goes when dead code does, unless it raises.
  If(
      condition, [] { return Values(); },
      [&] {
        graph_->insertNode(graph_->create(c10::prim::RaiseException,
                                          {graph_->insertConstant(message), graph_->insertConstant(c10::IValue())}, 0));
        return Values();
      });
}

void JitTarget::Write(const std::string& key, Value value) { Insert("aten::copy_", {Of(Weight(key)), Of(value)}); }

void JitTarget::Return(const Values& results) {
  if (results.size() == 1) {
    graph_->registerOutput(Of(results[0]));
    return;
  }
  graph_->registerOutput(graph_->insertNode(graph_->createTuple(Of(results)))->output());
}

}  // namespace torchferry::libtorch
