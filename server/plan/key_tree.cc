#include "server/plan/key_tree.h"

#include <set>
#include <string_view>

#include "server/base/status.h"
#include "server/checkpoint/display.h"

namespace torchferry::plan {

absl::Status CheckKeyTree(std::span<const std::string> names) {
  const std::set<std::string_view> tensors(names.begin(), names.end());
  for (const std::string_view name : names) {
    if (name.empty()) continue;
    if (name.starts_with('.') || name.ends_with('.') || name.find("..") != std::string_view::npos) {
      return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                              "key {} has an empty part between dots, which no module can be called; rename it",
                              checkpoint::Quoted(name));
    }
    for (size_t dot = name.find('.'); dot != std::string_view::npos; dot = name.find('.', dot + 1)) {
      if (!tensors.contains(name.substr(0, dot))) continue;
      return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                              "key {} is a tensor's, and in {} a module's; rename one of them",
                              checkpoint::Quoted(name.substr(0, dot)), checkpoint::Quoted(name));
    }
  }
  return absl::OkStatus();
}

}  // namespace torchferry::plan
