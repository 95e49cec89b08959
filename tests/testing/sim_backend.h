// The simulated accelerator as LibTorch sees it: PrivateUse1, named "sim".
#pragma once

namespace torchferry::sim {

// Once for a process, before a device "sim:N" is named. Devices::Configure comes first.
void RegisterBackend();

}  // namespace torchferry::sim
