#include "client/text/console.h"

#include <ostream>

#include "client/text/text.h"
#include "server/base/json.h"

namespace torchferry::client {

std::string DumpJson(const nlohmann::ordered_json& document) {
  return document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + '\n';
}

void PrintNote(const Console& console, std::string_view note) {
  if (console.json) {
    console.err << "{\"note\":" << base::JsonQuote(note) << "}\n";
  } else {
    console.err << "note: " << Printable(note) << '\n';
  }
}

}  // namespace torchferry::client
