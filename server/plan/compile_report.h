// Takes apart the text of LibTorch's error when it cannot compile a source. The text quotes the source, so its length
// has no bound. Time is linear in it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace torchferry::plan {

struct CompileReport {
  std::string message;  // the text before the place; cut after some hundred bytes
  size_t line = 0;      // from 1; 0 where the report has no line
  size_t column = 0;    // from 1; 0 where the report marks no column
};

// A report holds the message, `File "F", line N`, lines of the source with `~~~ <--- HERE` below one of them, and a
// backtrace. The backtrace is left out. Classes that the server generates from a state_dict's keys lose their prefix,
// "__torch__.torchferry.".
CompileReport ReadCompileReport(std::string_view report);

// `report` without its backtrace.
std::string_view WithoutBacktrace(std::string_view report);

}  // namespace torchferry::plan
