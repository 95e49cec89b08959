#include <charconv>

#include "server/identity/identity_file.h"

namespace torchferry::identity {
namespace {

// Digits alone, as many as `text` has.
std::optional<int> Number(std::string_view text) {
  if (text.empty() || text.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// Whether `text` has the separators of `form` where that has no digit ("0").
bool HasForm(std::string_view text, std::string_view form) {
  if (text.size() != form.size()) return false;
  for (size_t i = 0; i < form.size(); ++i) {
    if (form[i] != '0' && form[i] != text[i]) return false;
  }
  return true;
}

}  // namespace

std::optional<WallTime> ParseWallTime(std::string_view text) {
  constexpr std::string_view kDay = "0000-00-00";
  constexpr std::string_view kTime = "0000-00-00T00:00:00Z";
  const bool has_time = HasForm(text, kTime);
  if (!has_time && !HasForm(text, kDay)) return std::nullopt;
  const auto part = [text](size_t from, size_t size) { return Number(text.substr(from, size)); };
  const auto year = part(0, 4), month = part(5, 2), day = part(8, 2);
  if (!year || !month || !day) return std::nullopt;
  const std::chrono::year_month_day date(std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day)));
  if (!date.ok()) return std::nullopt;
  const WallTime midnight = std::chrono::sys_days(date);
  if (!has_time) return midnight;
  const auto hours = part(11, 2), minutes = part(14, 2), seconds = part(17, 2);
  if (!hours || !minutes || !seconds || *hours > 23 || *minutes > 59 || *seconds > 59) return std::nullopt;
  return midnight + std::chrono::hours(*hours) + std::chrono::minutes(*minutes) + std::chrono::seconds(*seconds);
}

}  // namespace torchferry::identity
