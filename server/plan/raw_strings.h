// Python's r"" and u"" in a forward.py. TorchScript's parser does not know them.
#pragma once

#include <string>

namespace torchferry::plan {

// Removes the letter from such strings of `source`, if they have no backslash. It puts a space after each, so that
// lines and their beginnings stay. Other strings stay as they are.
std::string WithoutStringPrefixes(std::string source);

}  // namespace torchferry::plan
