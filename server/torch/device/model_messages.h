// Writes models' prints and warnings to our log, with the model's name, bounded in size and number.
#pragma once

namespace torchferry::libtorch {

// Takes over `print` of all models from now on. LibTorch itself writes prints to stdout, unchanged.
void TakePrints();

// Takes over warnings of the calling thread from now on: LibTorch has one handler per thread. The cost is one store.
void TakeWarnings();

}  // namespace torchferry::libtorch
