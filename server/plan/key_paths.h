// Numbers the paths inside dotted names: "a.b.c" goes through "", "a" and "a.b". A step costs time linear in its part
// alone. A walk over all names is therefore linear in their total length.
#pragma once

#include <cstddef>
#include <functional>
#include <string_view>
#include <unordered_map>

namespace torchferry::plan {

class KeyPaths {
 public:
  static constexpr size_t kRoot = 0;

  // The number of the path `part` below `parent`. Numbers begin at 1, in the order of first use. `part` must outlive
  // this object.
  size_t Below(size_t parent, std::string_view part) {
    return numbers_.try_emplace({parent, part}, numbers_.size() + 1).first->second;
  }

  // All numbers are less than this.
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

// Takes the part up to the next dot off `rest`, with the dot, and returns it. `rest` is empty after the last part.
inline std::string_view TakePart(std::string_view& rest) {
  const size_t dot = rest.find('.');
  const std::string_view part = rest.substr(0, dot);
  rest.remove_prefix(dot == std::string_view::npos ? rest.size() : dot + 1);
  return part;
}

}  // namespace torchferry::plan
