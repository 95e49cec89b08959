// torchferry: the CLI client.
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <string_view>

#include "client/cli.h"

namespace {

// https://no-color.org, and terminals that know no colours.
bool WantsColor() {
  const char* no_color = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  const bool is_off = no_color != nullptr && *no_color != '\0';
  return isatty(STDOUT_FILENO) && !is_off && terminal != nullptr &&
         std::string_view(terminal) != "dumb";
}

}  // namespace

int main(int argc, char** argv) {
  torchferry::client::Console console{std::cin, std::cout, std::cerr};
  console.color = WantsColor();
  console.is_err_terminal = isatty(STDERR_FILENO) != 0;
  winsize size{};
  if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    console.width = size.ws_col;
  }
  return torchferry::client::RunCli({argv + 1, argv + argc}, console);
}
