// The streams that a command reads and writes, and the form of its output.
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
  // The columns at which prose is wrapped; a file or a pipe has no limit.
  size_t width = std::numeric_limits<size_t>::max();
  bool json = false;
  bool is_err_terminal = false;  // progress may be drawn on it
  bool ascii = false;            // drawings use only ASCII
};

// One line of JSON, with the newline. Bytes that are not UTF-8 become U+FFFD.
std::string DumpJson(const nlohmann::ordered_json& document);

// Prints one line on `err` that is not an error: "note: …", as JSON {"note":"…"}.
void PrintNote(const Console& console, std::string_view note);

}  // namespace torchferry::client
