#include "server/torch/graph/code_owner.h"

#include <torch/csrc/jit/api/compilation_unit.h>

#include <array>
#include <cstddef>
#include <exception>
#include <functional>
#include <utility>

#include "server/base/mutex.h"

namespace torchferry::libtorch {
namespace {

using torch::jit::CompilationUnit;
using torch::jit::Function;

// LibTorch's units have no lock. Units share these, so that two of them seldom wait for each other.
base::Mutex& MutexOf(const CompilationUnit* unit) {
  static std::array<base::Mutex, 64> mutexes;
  return mutexes[std::hash<const CompilationUnit*>()(unit) / alignof(CompilationUnit) % mutexes.size()];
}

// A function that is no method of a class stays: a class may still name it as a hook.
void RemoveMethod(CompilationUnit& unit, const c10::QualifiedName& name) {
  const c10::ClassTypePtr type = unit.get_class(c10::QualifiedName(name.prefix()));
  if (type == nullptr || unit.find_function(name) == nullptr || type->findMethod(name.name()) == nullptr) return;
  type->unsafeRemoveMethod(name.name());
  unit.unsafeRemoveMethod(name);
}

}  // namespace

class CodeOwner::Functions {
 public:
  Functions(std::shared_ptr<CompilationUnit> unit, std::vector<c10::QualifiedName> names)
      : unit_(std::move(unit)), names_(std::move(names)) {}
  ~Functions() {
    base::MutexLock lock(MutexOf(unit_.get()));
    for (const c10::QualifiedName& name : names_) RemoveMethod(*unit_, name);
  }
  Functions(const Functions&) = delete;
  Functions& operator=(const Functions&) = delete;

 private:
  const std::shared_ptr<CompilationUnit> unit_;
  const std::vector<c10::QualifiedName> names_;
};

torch::jit::Module CodeOwner::Own(const torch::jit::Module& original, absl::FunctionRef<torch::jit::Module()> make) {
  std::shared_ptr<CompilationUnit> unit = original._ivalue()->compilation_unit();
  std::vector<c10::QualifiedName> added;
  std::exception_ptr failure;
  torch::jit::Module made;
  {
    base::MutexLock lock(MutexOf(unit.get()));
    // A unit keeps its functions in the order in which they came; removed ones leave an empty place.
    const size_t before = unit->get_functions().size();
    try {
      made = make();
    } catch (...) {
      failure = std::current_exception();
    }
    const std::vector<Function*> functions = unit->get_functions();
    for (size_t i = before; i < functions.size(); ++i) {
      if (functions[i] != nullptr) added.push_back(functions[i]->qualname());
    }
  }
  auto owned = std::make_shared<const Functions>(std::move(unit), std::move(added));
  if (failure != nullptr) std::rethrow_exception(failure);
  functions_.push_back(std::move(owned));
  return made;
}

}  // namespace torchferry::libtorch
