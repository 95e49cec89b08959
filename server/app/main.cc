// torchferry-server.
#include "server/app/server_app.h"

int main(int argc, char** argv) {
  std::vector<std::unique_ptr<torchferry::DeviceProvider>> providers;
  providers.push_back(torchferry::MakeCudaProvider());
  return torchferry::RunServer(argc, argv, std::move(providers));
}
