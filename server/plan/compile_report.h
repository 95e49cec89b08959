// What LibTorch says when it cannot compile a source, taken apart. Its text quotes the source, so it is as long as
// somebody wants it to be; time is linear in it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace torchferry::plan {

struct CompileReport {
  std::string message;  // of one idea; cut after some hundred bytes
  size_t line = 0;      // from 1; 0 where the report names none
  size_t column = 0;    // from 1; 0 where the report marks none
};

// A report holds the message, `File "F", line N`, lines of the source and `~~~ <--- HERE` below one of them, and at
// last a backtrace, which is left out. Classes that are made from a state_dict's keys lose their prefix,
// "__torch__.torchferry.".
CompileReport ReadCompileReport(std::string_view report);

// `report` without its backtrace.
std::string_view WithoutBacktrace(std::string_view report);

}  // namespace torchferry::plan
