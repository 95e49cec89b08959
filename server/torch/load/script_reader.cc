#include "server/torch/load/script_reader.h"

#include <ATen/core/custom_class.h>
#include <c10/core/CPUAllocator.h>
#include <torch/csrc/jit/operator_upgraders/upgraders_entry.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/csrc/jit/serialization/import_source.h>
#include <torch/csrc/jit/serialization/storage_context.h>
#include <torch/csrc/jit/serialization/unpickler.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "server/base/status.h"
#include "server/torch/device/convert.h"
#include "server/torch/graph/model_code.h"
#include "server/torch/graph/run_inline.h"
#include "server/torch/load/declared_values.h"
#include "server/torch/load/value_check.h"

namespace torchferry::libtorch {
namespace {

using c10::IValue;
using torch::jit::Source;

// Thrown out of LibTorch's callbacks; the status is the reader's first error.
struct Refused : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// "__torch__.net.Net" is in code/__torch__/net.py. LibTorch asks by the module's name.
std::string CodeFile(std::string qualifier) {
  std::ranges::replace(qualifier, '.', '/');
  return "code/" + qualifier + ".py";
}

// Whether the class brings its own way to be made from what was saved; both methods, as LibTorch asks.
bool HasSetState(const c10::ClassType& type) {
  const torch::jit::Function* get = type.findMethod("__getstate__");
  const torch::jit::Function* set = type.findMethod("__setstate__");
  return get != nullptr && set != nullptr && get->getSchema().arguments().size() == 1 &&
         get->getSchema().returns().size() == 1 && set->getSchema().arguments().size() == 2;
}

// One use, one thread.
class ScriptReader {
 public:
  ScriptReader(const checkpoint::TorchScriptInfo& script, bool trust_model_code)
      : script_(script),
        trust_model_code_(trust_model_code),
        unit_(std::make_shared<torch::jit::CompilationUnit>()),
        values_([this](const void* data) {
          const auto found = bytes_at_.find(data);
          return found == bytes_at_.end() ? 0 : found->second;
        }) {
    for (size_t i = 0; i < script.code_files.size(); ++i) sources_.emplace(script.code_files[i], &script.code_texts[i]);
  }

  absl::StatusOr<torch::jit::Module> Run() {
    try {
      return Read();
    } catch (const std::exception& error) {
      if (!status_.ok()) return status_;
      return base::Annotate(StatusOf(error, absl::StatusCode::kDataLoss), "LibTorch cannot load it");
    }
  }

 private:
  torch::jit::Module Read() {
    torch::jit::populate_upgraders_graph_map();
    importer_.emplace(
        unit_, &constants_, [this](const std::string& qualifier) { return FindSource(qualifier); },
        static_cast<size_t>(script_.version));
    const IValue constants = Unpickle("constants", script_.content->constants_pickle);
    if (!constants.isTuple()) Refuse(absl::DataLossError("constants.pkl holds no tuple"));
    Require(values_.Check(constants));
    Require(values_.CheckType(constants, c10::AnyType::get(), "constants.pkl"));  // code takes them for what they say
    for (const IValue& constant : constants.toTupleRef().elements()) constants_.push_back(constant);
    const IValue module = Unpickle("data", script_.content->data_pickle);
    if (!module.isModule()) Refuse(absl::DataLossError("data.pkl holds no module"));
    values_.TellTypes();
    return torch::jit::Module(module.toObject());
  }

  [[noreturn]] void Refuse(absl::Status status) {
    if (status_.ok()) status_ = std::move(status);
    throw Refused(std::string(status_.message()));
  }

  void Require(absl::Status status) {
    if (!status.ok()) Refuse(std::move(status));
  }

  std::shared_ptr<Source> FindSource(const std::string& qualifier) {
    const std::string file = CodeFile(qualifier);
    const auto found = sources_.find(file);
    if (found == sources_.end()) return nullptr;
    if (!trust_model_code_) Require(CheckDeclaredValues(*found->second, file));
    return std::make_shared<Source>(*found->second, file, 1);
  }

  IValue Unpickle(const std::string& folder, std::string_view pickle) {
    size_t at = 0;
    const auto read = [&](char* out, size_t count) {
      count = std::min(count, pickle.size() - at);
      std::memcpy(out, pickle.data() + at, count);
      at += count;
      return count;
    };
    torch::jit::Unpickler unpickler(
        read, [this](const c10::QualifiedName& name) { return FindType(name); },
        [this](const c10::StrongTypePtr& type, const IValue& state) { return MakeObject(type, state); },
        [&](const std::string& key) { return ReadStorage(fmt::format("{}/{}", folder, key)); }, at::Device(at::kCPU),
        /*use_storage_device=*/false, torch::jit::Unpickler::defaultTypeParser,
        // A storage is read once, however often the pickle refers to it.
        std::make_shared<torch::jit::DeserializationStorageContext>());
    unpickler.set_version(static_cast<uint64_t>(script_.version));
    return unpickler.parse_ivalue();
  }

  c10::StrongTypePtr FindType(const c10::QualifiedName& name) {
    if (!trust_model_code_) Require(CheckClassName(name.qualifiedName(), "the archive's pickle"));
    return {unit_, importer_->loadType(name)};
  }

  at::DataPtr ReadStorage(const std::string& name) {
    const checkpoint::ZipArchive& archive = *script_.content->archive;
    const checkpoint::ZipEntry* entry = archive.Find(name);
    if (entry == nullptr) {
      Refuse(base::MakeStatus(absl::StatusCode::kDataLoss, "storage \"{}\" has no entry in the archive", name));
    }
    at::DataPtr data = c10::GetCPUAllocator()->allocate(entry->size_bytes);
    Require(archive.Read(*entry, std::span(static_cast<std::byte*>(data.get()), entry->size_bytes)));
    bytes_at_[data.get()] = entry->size_bytes;
    return data;
  }

  c10::intrusive_ptr<c10::ivalue::Object> MakeObject(const c10::StrongTypePtr& strong, const IValue& state) {
    const auto type = strong.type_->expect<c10::ClassType>();
    Require(values_.Check(state));
    auto object = c10::ivalue::Object::create(strong, type->numAttributes());
    if (HasSetState(*type)) {
      torch::jit::Function& set_state = *type->findMethod("__setstate__");
      const c10::TypePtr expected = set_state.getSchema().arguments()[1].type();
      Require(values_.CheckType(state, expected, fmt::format("what a {} was saved with", NameOf(*type))));
      values_.SetTypes(state, expected);
      if (!trust_model_code_) Require(CheckFunction(set_state));
      // It would be specialised for an object that is not there yet.
      const torch::jit::GraphOptimizerEnabledGuard without_optimizer(false);
      RunInline(set_state, {IValue(object), state});
    } else {
      if (!state.isGenericDict()) {
        Refuse(base::MakeStatus(absl::StatusCode::kDataLoss, "the state of a {} is no dict", NameOf(*type)));
      }
      const auto attributes = state.toGenericDict();
      for (size_t i = 0; i < type->numAttributes(); ++i) {
        const auto found = attributes.find(type->getAttributeName(i));
        if (found == attributes.end()) {
          Refuse(base::MakeStatus(absl::StatusCode::kDataLoss, "a {} has no value of its attribute {}", NameOf(*type),
                                  type->getAttributeName(i)));
        }
        object->setSlot(i, found->value());
      }
    }
    for (size_t i = 0; i < type->numAttributes(); ++i) {
      Require(values_.CheckType(object->getSlot(i), type->getAttribute(i),
                                fmt::format("{} of a {}", type->getAttributeName(i), NameOf(*type))));
    }
    return object;
  }

  static std::string NameOf(const c10::ClassType& type) { return type.name()->qualifiedName(); }

  const checkpoint::TorchScriptInfo& script_;
  const bool trust_model_code_;
  const std::shared_ptr<torch::jit::CompilationUnit> unit_;
  std::unordered_map<std::string, const std::string*> sources_;
  std::vector<IValue> constants_;
  std::optional<torch::jit::SourceImporter> importer_;
  std::unordered_map<const void*, uint64_t> bytes_at_;
  ValueCheck values_;
  absl::Status status_;
};

}  // namespace

absl::StatusOr<torch::jit::Module> ReadScript(const checkpoint::TorchScriptInfo& script, bool trust_model_code) {
  return ScriptReader(script, trust_model_code).Run();
}

}  // namespace torchferry::libtorch
