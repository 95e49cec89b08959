// Work on a model that may wait until it serves: further warm-up, a search for a faster way to run it.
#pragma once

#include <functional>

namespace torchferry::model {

struct PlacedModel;

// A job's view of the server around it.
class IdleTurn {
 public:
  virtual ~IdleTurn() = default;
  // Whether no request has run since the piece of work began, and no request waits. False: the job stops soon, and its
  // measurements do not count.
  virtual bool IsQuiet() const = 0;
  // From now on requests run on `better`, which is on the device that the model was loaded on.
  virtual void Replace(PlacedModel better) = 0;
};

// Does one piece of the work on a thread of low priority while the server is idle. A piece takes some tens of
// milliseconds. True: there is more work. Throws nothing.
using IdleJob = std::function<bool(IdleTurn& turn)>;

}  // namespace torchferry::model
