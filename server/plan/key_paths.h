// Numbers for the paths that dotted names go through: "a.b.c" goes through "", "a" and "a.b". One step costs what the
// part alone is long, so that a walk over all names costs what they are long together.
#pragma once

#include <cstddef>
#include <functional>
#include <string_view>
#include <unordered_map>

namespace torchferry::plan {

class KeyPaths {
 public:
  static constexpr size_t kRoot = 0;

  // The number of the path `part` below `parent`; parts have to outlive this. From 1 on, in the order in which they
  // come.
  size_t Below(size_t parent, std::string_view part) {
    return numbers_.try_emplace({parent, part}, numbers_.size() + 1).first->second;
  }

  // Numbers are less than this.
  size_t End() const { return numbers_.size() + 1; }

 private:
  struct Step {
    size_t parent;
    std::string_view part;
    bool operator==(const Step&) const = default;
  };
  struct Hash {
    size_t operator()(const Step& step) const {
      constexpr size_t kOdd = 0x9E3779B97F4A7C15;
      return std::hash<std::string_view>()(step.part) ^ (step.parent * kOdd);
    }
  };

  std::unordered_map<Step, size_t, Hash> numbers_;
};

// The next part of `rest` up to a dot, which is taken away with it; `rest` is empty behind the last one.
inline std::string_view TakePart(std::string_view& rest) {
  const size_t dot = rest.find('.');
  const std::string_view part = rest.substr(0, dot);
  rest.remove_prefix(dot == std::string_view::npos ? rest.size() : dot + 1);
  return part;
}

}  // namespace torchferry::plan
