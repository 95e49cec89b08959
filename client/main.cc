// torchferry: the CLI client.
#include <langinfo.h>
#include <locale.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <string_view>

#include "client/commands/cli.h"

namespace {

// https://no-color.org, and terminals that know no colours.
bool WantsColor() {
  const char* no_color = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  const bool is_off = no_color != nullptr && *no_color != '\0';
  return isatty(STDOUT_FILENO) && !is_off && terminal != nullptr && std::string_view(terminal) != "dumb";
}

// The user's locale, which this process does not take over.
bool IsUtf8Locale() {
  const locale_t locale = newlocale(LC_CTYPE_MASK, "", locale_t{});
  if (locale == locale_t{}) return false;
  const bool is_utf8 = std::string_view(nl_langinfo_l(CODESET, locale)) == "UTF-8";
  freelocale(locale);
  return is_utf8;
}

}  // namespace

int main(int argc, char** argv) {
  torchferry::client::Console console{std::cin, std::cout, std::cerr};
  console.color = WantsColor();
  console.is_err_terminal = isatty(STDERR_FILENO) != 0;
  console.ascii = !IsUtf8Locale();
  winsize size{};
  if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    console.width = size.ws_col;
  }
  return torchferry::client::RunCli({argv + 1, argv + argc}, console);
}
