// Where a command reads and writes, and how.
#pragma once

#include <cstddef>
#include <iosfwd>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace torchferry::client {

struct Console {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  bool color = false;  // on `out`
  // Columns to wrap prose at; a file or a pipe has no limit.
  size_t width = std::numeric_limits<size_t>::max();
  bool json = false;
  bool is_err_terminal = false;  // so that progress may be drawn on it
  bool ascii = false;            // what is drawn keeps to ASCII
};

// On one line, with the newline; what is not UTF-8 becomes U+FFFD.
std::string DumpJson(const nlohmann::ordered_json& document);

// One line on `err` that is no error: "note: …", as JSON {"note":"…"}.
void PrintNote(const Console& console, std::string_view note);

}  // namespace torchferry::client
