#include "server/registry/load_mark.h"

#include <fmt/format.h>

#include <charconv>
#include <functional>
#include <limits>
#include <utility>

namespace torchferry::registry {
namespace {

constexpr std::string_view kHead = "torchferry load mark 1\n";

// Takes fields off the front of a text.
class Fields {
 public:
  explicit Fields(std::string_view text) : text_(text) {}

  bool Take(std::string_view expected) {
    if (!text_.starts_with(expected)) return false;
    text_.remove_prefix(expected.size());
    return true;
  }

  // "NAME NUMBER\n", from 0 to `most`.
  template <typename Number>
  bool TakeNumber(std::string_view name, Number most, Number& number) {
    if (!Take(name) || !Take(" ")) return false;
    const auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), number);
    if (error != std::errc() || number < 0 || number > most) return false;
    text_.remove_prefix(static_cast<size_t>(end - text_.data()));
    return Take("\n");
  }

  // "NAME SIZE:TEXT\n"
  bool TakeText(std::string_view name, std::string& text) {
    size_t size = 0;
    if (!Take(name) || !Take(" ")) return false;
    const auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), size);
    if (error != std::errc()) return false;
    text_.remove_prefix(static_cast<size_t>(end - text_.data()));
    if (!Take(":") || size > text_.size()) return false;
    text = text_.substr(0, size);
    text_.remove_prefix(size);
    return Take("\n");
  }

  bool IsEmpty() const { return text_.empty(); }

 private:
  std::string_view text_;
};

}  // namespace

std::string MarkText(const LoadMark& mark) {
  return fmt::format("{}ends {}\nloading {}\nversion {}\nmodel {}:{}\nfiles {}:{}\nboot {}:{}\n", kHead, mark.ends,
                     mark.is_loading ? 1 : 0, mark.version, mark.model.size(), mark.model, mark.files.size(),
                     mark.files, mark.boot.size(), mark.boot);
}

std::optional<LoadMark> ParseMark(std::string_view text) {
  if (text.size() > kMaxMarkBytes) return std::nullopt;
  LoadMark mark;
  int is_loading = 0;
  Fields fields(text);
  const bool is_ours = fields.Take(kHead) &&
                       fields.TakeNumber("ends", std::numeric_limits<int>::max() - 1, mark.ends) &&
                       fields.TakeNumber("loading", 1, is_loading) &&
                       fields.TakeNumber("version", std::numeric_limits<int64_t>::max(), mark.version) &&
                       fields.TakeText("model", mark.model) && fields.TakeText("files", mark.files) &&
                       fields.TakeText("boot", mark.boot) && fields.IsEmpty();
  if (!is_ours) return std::nullopt;
  mark.is_loading = is_loading == 1;
  return mark;
}

// Another build of the server may give another one: it then tries what an earlier build could not load.
std::string DigestOfFiles(std::string_view fingerprint) {
  return fmt::format("{:016x}.{}", std::hash<std::string_view>()(fingerprint), fingerprint.size());
}

LoadMark AfterTheEnd(LoadMark left, std::string_view boot) {
  if (std::exchange(left.is_loading, false) && left.boot == boot) ++left.ends;
  return left;
}

}  // namespace torchferry::registry
