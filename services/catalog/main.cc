// lockstep-catalog: platforms, suppliers, products and inventory over one database.
#include "common/service/process.h"
#include "common/service/service.h"
#include "services/catalog/inventory_service.h"
#include "services/catalog/manifest.h"
#include "services/catalog/platform_service.h"
#include "services/catalog/plumbing.h"
#include "services/catalog/product_service.h"
#include "services/catalog/supplier_service.h"

namespace lockstep::catalog {
namespace {

service::ServiceSpec Spec() {
  return {.database_role = "catalog_app", .manifest = Manifest(), .plumbing = kPlumbing};
}

int Run(service::Process& process, const service::ServiceSettings& settings) {
  service::Service service(process, settings);
  PlatformService platforms(service.pool(), service.signer(), service.runner());
  SupplierService suppliers(service.pool(), service.signer(), service.runner());
  ProductService products(service.pool(), service.signer(), service.runner());
  InventoryService inventory(service.pool(), service.signer(), service.runner());
  return service.Serve({&platforms, &suppliers, &products, &inventory});
}

}  // namespace
}  // namespace lockstep::catalog

int main(int argc, char** argv) {
  lockstep::service::ServiceSettings settings(lockstep::catalog::Spec());
  lockstep::service::Process process("catalog", "127.0.0.1:7101",
                                     "Platforms, suppliers, products and inventory.");
  settings.Bind(process.settings());
  if (const auto exit_code = process.Load(argc, argv)) return *exit_code;
  return lockstep::catalog::Run(process, settings);
}
