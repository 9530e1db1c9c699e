#include "services/catalog/sale_repository.h"

#include "common/status/macros.h"
#include "services/catalog/item_repository.h"

namespace lockstep::catalog {
namespace {

using ids::Uuid;

Uuid UuidOf(const pg::Row& row, std::string_view column) {
  return Uuid::Parse(row.Text(column)).value_or(Uuid());
}

template <typename Range>
std::vector<std::string> Texts(const Range& range) {
  std::vector<std::string> texts;
  for (const auto& value : range) {
    if constexpr (requires { value.text(); }) {
      texts.push_back(value.text());
    } else {
      texts.push_back(value);
    }
  }
  return texts;
}

std::pair<std::vector<std::string>, std::vector<std::string>> Split(const Keyed& keyed) {
  std::pair<std::vector<std::string>, std::vector<std::string>> columns;
  for (const auto& [position, text] : keyed) {
    columns.first.push_back(std::to_string(position));
    columns.second.push_back(text);
  }
  return columns;
}

FoundItems FoundFromRows(const pg::Result& rows) {
  FoundItems found;
  for (const pg::Row row : rows) {
    found.emplace_back(static_cast<std::size_t>(row.Get<std::int32_t>("position")),
                       UuidOf(row, "item_id"));
  }
  return found;
}

std::map<std::string, Uuid> ByKey(const pg::Result& rows) {
  std::map<std::string, Uuid> ids;
  for (const pg::Row row : rows) ids.emplace(row.Text("key"), UuidOf(row, "id"));
  return ids;
}

// The category of products that importers make up.
absl::StatusOr<std::string> ImportCategory(pg::Tx& tx) {
  constexpr std::string_view kFind = "SELECT id FROM products.categories WHERE slug = 'sneakers'";
  ASSIGN_OR_RETURN(const std::optional<pg::Row> found, tx.Maybe(kFind));
  if (found.has_value()) return found->Text("id");
  RETURN_IF_ERROR(tx.Execute("INSERT INTO products.categories (name, slug, path)"
                             " VALUES ('Footwear', 'footwear', 'Footwear')"
                             " ON CONFLICT (slug) DO NOTHING")
                      .status());
  RETURN_IF_ERROR(tx.Execute("INSERT INTO products.categories (name, slug, parent_id, path)"
                             " SELECT 'Sneakers', 'sneakers', c.id, coalesce(c.path, c.name)"
                             " || '/Sneakers' FROM products.categories c WHERE c.slug = 'footwear'"
                             " ON CONFLICT (slug) DO NOTHING")
                      .status());
  ASSIGN_OR_RETURN(const pg::Row made, tx.One(kFind));
  return made.Text("id");
}

}  // namespace

absl::StatusOr<std::map<std::string, Uuid>> FindPlatforms(pg::Tx& tx,
                                                          const std::set<std::string>& slugs) {
  ASSIGN_OR_RETURN(const pg::Result rows, tx.Query("SELECT slug AS key, id FROM core.platforms"
                                                   " WHERE slug = ANY($1::text[])",
                                                   pg::ArrayLiteral(Texts(slugs))));
  return ByKey(rows);
}

absl::Status LockPlatforms(pg::Tx& tx, const std::set<std::string>& slugs) {
  // In the order of the set, one after the other: two callers cannot deadlock.
  for (const std::string& slug : slugs) {
    RETURN_IF_ERROR(tx.Query("SELECT pg_advisory_xact_lock(hashtextextended($1::text, 0))",
                             "catalog.resolve_sold_items/" + slug)
                        .status());
  }
  return absl::OkStatus();
}

absl::StatusOr<FoundItems> FindResolved(pg::Tx& tx, std::span<const std::string> platform_ids,
                                        std::span<const std::string> external_ids) {
  // LATERAL: one look into the unique index for each sale, whatever the statistics say.
  ASSIGN_OR_RETURN(
      const pg::Result rows,
      tx.Query("SELECT (u.position - 1)::int AS position, c.inventory_item_id AS item_id"
               " FROM unnest($1::uuid[], $2::text[]) WITH ORDINALITY"
               " AS u (platform_id, external_id, position)"
               " CROSS JOIN LATERAL (SELECT o.inventory_item_id"
               " FROM products.item_orders o WHERE o.platform_id = u.platform_id"
               " AND o.external_order_id = u.external_id LIMIT 1) AS c",
               pg::ArrayLiteral(platform_ids), pg::ArrayLiteral(external_ids)));
  return FoundFromRows(rows);
}

absl::StatusOr<FoundItems> FindByListing(pg::Tx& tx, std::span<const std::string> platform_ids,
                                         const Keyed& listing_ids) {
  if (listing_ids.empty()) return FoundItems();
  const auto [positions, texts] = Split(listing_ids);
  ASSIGN_OR_RETURN(const pg::Result rows,
                   tx.Query("SELECT u.position, l.inventory_item_id AS item_id"
                            " FROM unnest($1::int[], $2::uuid[], $3::text[])"
                            " AS u (position, platform_id, listing_id)"
                            " JOIN products.listings l ON l.platform_id = u.platform_id"
                            " AND l.external_listing_id = u.listing_id",
                            pg::ArrayLiteral(positions), pg::ArrayLiteral(platform_ids),
                            pg::ArrayLiteral(texts)));
  return FoundFromRows(rows);
}

absl::StatusOr<FoundItems> FindByOrderNumber(pg::Tx& tx, const Keyed& numbers) {
  if (numbers.empty()) return FoundItems();
  const auto [positions, texts] = Split(numbers);
  ASSIGN_OR_RETURN(const pg::Result rows,
                   tx.Query("SELECT u.position, i.id AS item_id"
                            " FROM unnest($1::int[], $2::text[]) AS u (position, value)"
                            " JOIN products.inventory i"
                            " ON i.external_ids ->> 'stockx_order_number' = u.value"
                            " WHERE i.external_ids ? 'stockx_order_number'"
                            " ORDER BY u.position, i.purchase_date, i.created_at, i.id",
                            pg::ArrayLiteral(positions), pg::ArrayLiteral(texts)));
  return FoundFromRows(rows);
}

absl::StatusOr<FoundItems> FindByListingId(pg::Tx& tx, const Keyed& listing_ids) {
  if (listing_ids.empty()) return FoundItems();
  const auto [positions, texts] = Split(listing_ids);
  ASSIGN_OR_RETURN(const pg::Result rows,
                   tx.Query("SELECT u.position, i.id AS item_id"
                            " FROM unnest($1::int[], $2::text[]) AS u (position, value)"
                            " JOIN products.inventory i"
                            " ON i.external_ids ->> 'stockx_listing_id' = u.value"
                            " WHERE i.external_ids ? 'stockx_listing_id'"
                            " ORDER BY u.position, i.purchase_date, i.created_at, i.id",
                            pg::ArrayLiteral(positions), pg::ArrayLiteral(texts)));
  return FoundFromRows(rows);
}

absl::StatusOr<std::map<std::string, Uuid>> FindProducts(pg::Tx& tx,
                                                         const std::set<std::string>& skus) {
  ASSIGN_OR_RETURN(const pg::Result rows, tx.Query("SELECT sku AS key, id FROM products.products"
                                                   " WHERE sku = ANY($1::text[])",
                                                   pg::ArrayLiteral(Texts(skus))));
  return ByKey(rows);
}

absl::StatusOr<std::map<SizeKey, std::vector<Uuid>>> FindSizes(pg::Tx& tx,
                                                               const std::set<SizeKey>& sizes) {
  std::vector<std::string> values;
  std::vector<std::string> regions;
  for (const auto& [value, region] : sizes) {
    values.push_back(value);
    regions.push_back(region);
  }
  ASSIGN_OR_RETURN(const pg::Result rows,
                   tx.Query("SELECT s.id, s.value, s.region FROM unnest($1::text[], $2::text[])"
                            " AS u (value, region) JOIN products.sizes s ON s.region = u.region"
                            " AND s.value = u.value",
                            pg::ArrayLiteral(values), pg::ArrayLiteral(regions)));
  std::map<SizeKey, std::vector<Uuid>> found;
  for (const pg::Row row : rows) {
    found[{row.Text("value"), row.Text("region")}].push_back(UuidOf(row, "id"));
  }
  return found;
}

absl::StatusOr<std::vector<std::vector<Uuid>>> FindAvailable(pg::Tx& tx,
                                                             const std::vector<ItemGroup>& groups) {
  std::vector<std::vector<Uuid>> found(groups.size());
  std::vector<std::string> positions;
  std::vector<std::string> products;
  std::vector<std::string> sizes;
  std::vector<std::string> limits;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    for (const Uuid& size_id : groups[i].size_ids) {
      positions.push_back(std::to_string(i));
      products.push_back(groups[i].product_id.text());
      sizes.push_back(size_id.text());
      limits.push_back(std::to_string(groups[i].limit));
    }
  }
  if (positions.empty()) return found;
  // Condition and order of the inner query are those of the partial index inventory_available_idx.
  const auto oldest = [](std::string_view purchase) {
    return "SELECT g.position, c.* FROM unnest($1::int[], $2::uuid[], $3::uuid[], $4::int[])"
           " AS g (position, product_id, size_id, max_items)"
           " CROSS JOIN LATERAL (SELECT i.id AS item_id, i.purchase_date, i.created_at"
           " FROM products.inventory i"
           " WHERE i.product_id = g.product_id AND i.size_id = g.size_id AND i.quantity > 0"
           " AND i.status IN ('in_stock', 'listed_stockx', 'listed_alias', 'listed_ebay',"
           " 'listed_goat', 'listed_grailed') AND i.purchase_date " +
           std::string(purchase) +
           " ORDER BY i.purchase_date, i.created_at, i.id LIMIT g.max_items FOR UPDATE) AS c";
  };
  // An item without a purchase date fits every sale, so those with one must not crowd it out.
  ASSIGN_OR_RETURN(
      const pg::Result rows,
      tx.Query(
          "SELECT c.position, c.item_id FROM (SELECT * FROM (" + oldest("IS NOT NULL") +
              ") AS dated UNION ALL SELECT * FROM (" + oldest("IS NULL") +
              ") AS undated) AS c ORDER BY c.position, c.purchase_date, c.created_at, c.item_id",
          pg::ArrayLiteral(positions), pg::ArrayLiteral(products), pg::ArrayLiteral(sizes),
          pg::ArrayLiteral(limits)));
  for (const auto& [position, item_id] : FoundFromRows(rows)) found[position].push_back(item_id);
  return found;
}

absl::Status LockItems(pg::Tx& tx, const std::set<Uuid>& item_ids) {
  if (item_ids.empty()) return absl::OkStatus();
  return tx
      .Query(
          "SELECT i.id FROM products.inventory i WHERE i.id = ANY($1::uuid[])"
          " ORDER BY i.id FOR UPDATE",
          pg::ArrayLiteral(Texts(item_ids)))
      .status();
}

absl::StatusOr<std::map<Uuid, ItemFacts>> LoadFacts(pg::Tx& tx, const std::set<Uuid>& item_ids) {
  std::map<Uuid, ItemFacts> facts;
  if (item_ids.empty()) return facts;
  ASSIGN_OR_RETURN(
      const pg::Result rows,
      tx.Query("SELECT i.id, i.status, i.purchase_date, i.purchase_price,"
               " coalesce((i.external_ids ->> 'is_placeholder')::boolean, false) AS is_placeholder,"
               " (i.quantity - (SELECT count(*) FROM products.item_orders o"
               " WHERE o.inventory_item_id = i.id))::int AS free_units"
               " FROM products.inventory i WHERE i.id = ANY($1::uuid[])",
               pg::ArrayLiteral(Texts(item_ids))));
  for (const pg::Row row : rows) {
    facts[UuidOf(row, "id")] = {
        .status = ItemStatusFromText(row.Text("status")).value_or(ItemStatus::kError),
        .free_units = row.Get<std::int32_t>("free_units"),
        .purchase_date = row.Optional<absl::Time>("purchase_date"),
        .purchase_price = row.OptionalText("purchase_price"),
        .is_placeholder = row.Get<bool>("is_placeholder")};
  }
  return facts;
}

absl::StatusOr<std::map<std::string, Uuid>> CreateProducts(
    pg::Tx& tx, const std::vector<NewProduct>& products) {
  if (products.empty()) return std::map<std::string, Uuid>();
  ASSIGN_OR_RETURN(const std::string category_id, ImportCategory(tx));
  std::set<std::string> skus;
  std::vector<std::string> sku_column;
  std::vector<std::string> names;
  std::vector<std::optional<std::string>> brands;
  for (const NewProduct& product : products) {
    skus.insert(product.sku);
    sku_column.push_back(product.sku);
    names.push_back(product.name);
    brands.push_back(product.brand_id);
  }
  // In the order of the key, so that two imports that make the same products cannot deadlock.
  RETURN_IF_ERROR(
      tx.Execute("INSERT INTO products.products (sku, name, brand_id, category_id)"
                 " SELECT u.sku, u.name, u.brand_id, $4::uuid"
                 " FROM unnest($1::text[], $2::text[], $3::uuid[]) AS u (sku, name, brand_id)"
                 " ORDER BY u.sku ON CONFLICT (sku) DO NOTHING",
                 pg::ArrayLiteral(sku_column), pg::ArrayLiteral(names), pg::ArrayLiteral(brands),
                 category_id)
          .status());
  return FindProducts(tx, skus);
}

absl::StatusOr<std::map<SizeKey, Uuid>> FindOrCreateSizes(
    pg::Tx& tx, const std::map<SizeKey, std::optional<std::string>>& sizes) {
  std::map<SizeKey, Uuid> found;
  if (sizes.empty()) return found;
  std::vector<std::string> values;
  std::vector<std::string> regions;
  std::vector<std::optional<std::string>> numbers;
  for (const auto& [key, number] : sizes) {
    values.push_back(key.first);
    regions.push_back(key.second);
    numbers.push_back(number);
  }
  const auto find = [&]() -> absl::Status {
    ASSIGN_OR_RETURN(const pg::Result rows,
                     tx.Query("SELECT s.id, s.value, s.region FROM unnest($1::text[], $2::text[])"
                              " AS u (value, region) JOIN products.sizes s ON s.category_id IS NULL"
                              " AND s.region = u.region AND s.value = u.value",
                              pg::ArrayLiteral(values), pg::ArrayLiteral(regions)));
    for (const pg::Row row : rows) {
      found[{row.Text("value"), row.Text("region")}] = UuidOf(row, "id");
    }
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(find());
  if (found.size() == sizes.size()) return found;
  RETURN_IF_ERROR(
      tx.Execute("INSERT INTO products.sizes (value, region, standardized_value)"
                 " SELECT u.value, u.region, u.number"
                 " FROM unnest($1::text[], $2::text[], $3::numeric[]) AS u (value, region, number)"
                 " ORDER BY u.region, u.value ON CONFLICT (category_id, region, value) DO NOTHING",
                 pg::ArrayLiteral(values), pg::ArrayLiteral(regions), pg::ArrayLiteral(numbers))
          .status());
  RETURN_IF_ERROR(find());
  return found;
}

absl::Status InsertPlaceholders(pg::Tx& tx, std::span<const Placeholder> items) {
  if (items.empty()) return absl::OkStatus();
  std::string lines;
  for (const Placeholder& item : items) {
    // The VAT rate is written as NULL: the column's default would state what nobody knows.
    lines += item.id.text() + "\t" + item.product_id.text() + "\t" + item.size_id.text() +
             "\tsold\t{\"is_placeholder\": true}\t\\N\n";
  }
  return tx
      .CopyIn(
          "COPY products.inventory (id, product_id, size_id, status, external_ids, vat_rate)"
          " FROM STDIN",
          lines)
      .status();
}

absl::Status InsertClaims(pg::Tx& tx, std::span<const SaleClaim> claims) {
  if (claims.empty()) return absl::OkStatus();
  std::string lines;
  for (const SaleClaim& claim : claims) {
    lines += claim.item_id.text() + "\t" + claim.platform_id.text() + "\t";
    pg::AppendCopyField(lines, claim.external_order_id);
    lines += claim.is_sold ? "\tsold\t" : "\treserved\t";
    pg::AppendCopyField(lines, pg::Param(claim.sold_at).text());
    lines += '\n';
  }
  return ClaimError(tx.CopyIn("COPY products.item_orders (inventory_item_id, platform_id,"
                              " external_order_id, status, sold_at) FROM STDIN",
                              lines)
                        .status());
}

absl::Status MarkReserved(pg::Tx& tx, const std::set<Uuid>& item_ids) {
  if (item_ids.empty()) return absl::OkStatus();
  return tx
      .Execute(
          "UPDATE products.inventory i SET status = 'reserved',"
          " updated_at = greatest(now(), i.updated_at + interval '1 microsecond')"
          " WHERE i.id = ANY($1::uuid[])",
          pg::ArrayLiteral(Texts(item_ids)))
      .status();
}

}  // namespace lockstep::catalog
