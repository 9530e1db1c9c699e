"""Names of the demo data: brands, models, colours, sizes, suppliers, countries.

Brands, models and places are public names; suppliers, numbers and sales are made up. Nothing refers to a person who
bought or sold anything.
"""

# Share of the product catalogue in percent; the other brands share the rest.
BRAND_SHARES = {"Nike": 48.5, "Adidas": 11.4, "ASICS": 5.3, "Crocs": 4.3, "New Balance": 3.9}

# name, segment, price tier, target, is a collaboration, parent brand
BRANDS = [
    ("Nike", "sportswear", "mid", "everyone", False, None),
    ("Adidas", "sportswear", "mid", "everyone", False, None),
    ("ASICS", "sportswear", "mid", "runners", False, None),
    ("Crocs", "casual", "entry", "everyone", False, None),
    ("New Balance", "sportswear", "mid", "everyone", False, None),
    ("Jordan", "sportswear", "mid", "basketball", False, "Nike"),
    ("Yeezy", "streetwear", "premium", "young adults", True, "Adidas"),
    ("Converse", "casual", "entry", "everyone", False, "Nike"),
    ("Vans", "casual", "entry", "skaters", False, None),
    ("UGG", "casual", "mid", "women", False, None),
    ("Timberland", "outdoor", "mid", "everyone", False, None),
    ("Puma", "sportswear", "entry", "everyone", False, None),
    ("HOKA", "sportswear", "mid", "runners", False, None),
    ("Mattel", "collectibles", "entry", "collectors", False, None),
    ("Off-White", "luxury", "luxury", "young adults", False, None),
    ("Palace", "streetwear", "premium", "skaters", False, None),
    ("Supreme", "streetwear", "premium", "skaters", False, None),
    ("Salomon", "outdoor", "mid", "hikers", False, None),
    ("Murakami", "collectibles", "premium", "collectors", False, None),
    ("Balenciaga", "luxury", "luxury", "young adults", False, None),
    ("Reebok", "sportswear", "entry", "everyone", False, None),
    ("Telfar", "luxury", "premium", "young adults", False, None),
    ("Taschen", "collectibles", "mid", "collectors", False, None),
    ("KAWS", "collectibles", "premium", "collectors", False, None),
    ("On", "sportswear", "mid", "runners", False, None),
    ("Birkenstock", "casual", "mid", "everyone", False, None),
    ("Stone Island", "luxury", "luxury", "men", False, None),
    ("The North Face", "outdoor", "mid", "hikers", False, None),
    ("Carhartt WIP", "streetwear", "mid", "young adults", False, None),
    ("Patagonia", "outdoor", "mid", "hikers", False, None),
    ("Fear of God", "luxury", "premium", "young adults", False, None),
    ("A Bathing Ape", "streetwear", "premium", "young adults", False, None),
    ("LEGO", "collectibles", "mid", "collectors", False, None),
    ("Dr. Martens", "casual", "mid", "everyone", False, None),
    ("Saucony", "sportswear", "mid", "runners", False, None),
    ("Mizuno", "sportswear", "mid", "runners", False, None),
    ("Veja", "casual", "mid", "everyone", False, None),
    ("Clarks", "casual", "mid", "everyone", False, None),
    ("Diadora", "sportswear", "entry", "everyone", False, None),
    ("Stussy", "streetwear", "mid", "young adults", False, None),
    ("Nike x Off-White", "streetwear", "premium", "young adults", True, "Nike"),
    ("Unknown", None, None, None, False, None),
]

# Models by brand: (name, category, usual price in EUR). Brands without an entry use their own name.
MODELS = {
    "Nike": [("Nike Dunk Low", "Sneakers", 95), ("Nike Dunk High", "Sneakers", 105), ("Nike Air Max 1", "Sneakers", 125),
             ("Nike Air Max 90", "Sneakers", 115), ("Nike Air Max 95", "Sneakers", 140), ("Nike Air Max 97", "Sneakers", 145),
             ("Nike Air Force 1 Low", "Sneakers", 90), ("Nike Blazer Mid 77", "Sneakers", 80), ("Nike Cortez", "Sneakers", 75),
             ("Nike Zoom Vomero 5", "Sneakers", 130), ("Nike Air Zoom Spiridon", "Sneakers", 120), ("Nike SB Dunk Low", "Sneakers", 160),
             ("Nike Tech Fleece Hoodie", "Apparel", 85), ("Nike Faux Fur Tote Bag", "Accessories", 60)],
    "Adidas": [("adidas Samba OG", "Sneakers", 95), ("adidas Gazelle Indoor", "Sneakers", 90), ("adidas Campus 00s", "Sneakers", 85),
               ("adidas Forum Low", "Sneakers", 80), ("adidas Ultraboost 1.0", "Sneakers", 110), ("adidas Reptossage Slides", "Sandals", 55)],
    "ASICS": [("ASICS Gel-Kayano 14", "Sneakers", 125), ("ASICS Gel-Lyte III OG", "Sneakers", 90), ("ASICS GT-2160", "Sneakers", 100)],
    "Crocs": [("Crocs Classic Clog", "Sandals", 45), ("Crocs Pollex Clog", "Sandals", 110)],
    "New Balance": [("New Balance 550", "Sneakers", 100), ("New Balance 2002R", "Sneakers", 130), ("9060", "Sneakers", 140)],
    "Jordan": [("Air Jordan 1 Retro High OG", "Sneakers", 170), ("Air Jordan 4 Retro", "Sneakers", 210), ("Jordan 1 Mule", "Sandals", 95)],
    "Yeezy": [("adidas Yeezy Slide", "Sandals", 90), ("adidas Yeezy Boost 350 V2", "Sneakers", 220)],
    "Converse": [("Converse Chuck 70 Hi", "Sneakers", 75)],
    "Vans": [("Vans Old Skool", "Sneakers", 65)],
    "UGG": [("UGG Tazz Slipper", "Sandals", 130), ("UGG Classic Ultra Mini Boot", "Boots", 140)],
    "Timberland": [("Timberland 6 Inch Premium Boot", "Boots", 150)],
    "Puma": [("Puma Speedcat OG", "Sneakers", 90)],
    "HOKA": [("HOKA Mafate Speed 2", "Sneakers", 135)],
    "Mattel": [("Mattel MEGA Construx x Tesla Cybertruck Toy", "Toys", 190), ("Mattel Creations Hot Wheels Car", "Toys", 40)],
    "Off-White": [("OFF-WHITE Airpods Case Diag", "Accessories", 70)],
    "Palace": [("Palace Tri-Ferg T-shirt", "Apparel", 60)],
    "Supreme": [("Supreme Box Logo Hooded Sweatshirt", "Apparel", 250)],
    "Salomon": [("Salomon XT-6", "Sneakers", 140), ("ACS Pro", "Sneakers", 150)],
    "Murakami": [("Takashi Murakami Flower Cushion", "Collectibles", 180)],
    "Balenciaga": [("Balenciaga Triple S", "Sneakers", 420)],
    "Reebok": [("Reebok Club C 85", "Sneakers", 70)],
    "Telfar": [("Telfar x Eastpak Shopper Large", "Accessories", 180)],
    "Taschen": [("Taschen Sneaker Culture Book", "Collectibles", 60)],
    "KAWS": [("KAWS Holiday Figure", "Collectibles", 300)],
    "LEGO": [("LEGO City Express Train Set 60337", "Toys", 120)],
    "Stone Island": [("Stone Island Crewneck Sweatshirt", "Apparel", 190)],
    "The North Face": [("The North Face Nuptse Vest", "Apparel", 180)],
    "Carhartt WIP": [("Carhartt WIP Detroit Jacket", "Apparel", 160)],
    "Patagonia": [("Patagonia Retro-X Jacket", "Apparel", 170)],
    "Fear of God": [("Fear of God Essentials Hoodie", "Apparel", 110)],
    "A Bathing Ape": [("A Bathing Ape Shark Hoodie", "Apparel", 330)],
    "Stussy": [("Stussy Stock T-shirt", "Apparel", 60)],
    "Dr. Martens": [("Dr. Martens 1460 Boot", "Boots", 130)],
    "Nike x Off-White": [("Nike x Off-White Air Force 1 Mid", "Sneakers", 260)],
    "Unknown": [("Vintage Court Shoe", "Footwear", 50)],
}

COLOURS = [
    "Black White", "Triple Black", "Triple White", "Summit White Midnight Navy", "Reverse Panda", "University Blue",
    "Wolf Grey", "Cool Grey", "Orange Purple", "Cardinal Red", "Vintage Green", "Pine Green", "Photon Dust", "Sail Gum",
    "Court Purple", "Coast", "Medium Curry", "Dark Mocha", "Rust Pink", "Ice Blue", "Lemon Wash", "Light Bone",
    "Metallic Silver", "Cream Vanilla", "Clay Brown", "Ocean Bliss", "Sun Club", "Team Gold",
]

CATEGORIES = [("Footwear", None), ("Sneakers", "Footwear"), ("Boots", "Footwear"), ("Sandals", "Footwear"), ("Apparel", None),
              ("Accessories", None), ("Collectibles", None), ("Toys", "Collectibles")]


def sizes():
    """The 86 sizes: (value, region, number or None), as marketplaces write them."""

    def number(n):
        return str(n // 2) if n % 2 == 0 else f"{n // 2}.5"

    result = [(number(n), "US", n) for n in range(7, 31)] + [(str(n), "US", 2 * n) for n in (16, 17, 18)]
    result += [(number(n) + "W", "US", n) for n in range(10, 23)]
    result += [(number(n) + "Y", "US", n) for n in range(7, 15)]
    result += [(f"{n}C", "US", 2 * n) for n in range(4, 14)]
    result += [(str(n), "EU", 2 * n) for n in range(36, 49)]
    result += [(f"UK {n}", "UK", 2 * n) for n in range(6, 11)]
    result += [(letter, "US", None) for letter in ("XS", "S", "M", "L", "XL", "XXL")]
    result += [("32W/32L", "US", None), ("34W/32L", "US", None), ("One Size", "UNKNOWN", None), ("Unknown", "UNKNOWN", None)]
    return [(value, region, None if half is None else f"{half // 2}.{5 * (half % 2)}") for value, region, half in result]


# How a brand is derived from a product name: (keyword or expression, type, brand, priority).
BRAND_PATTERNS = [
    ("off-white", "keyword", "Off-White", 50), (r"nike x off.white", "regex", "Nike x Off-White", 10), ("yeezy", "keyword", "Yeezy", 20),
    (r"\bjordan\b", "regex", "Jordan", 30), (r"\bnike\b", "regex", "Nike", 60), (r"\badidas\b", "regex", "Adidas", 60),
    (r"\basics\b", "regex", "ASICS", 60), ("gel-", "keyword", "ASICS", 80), ("crocs", "keyword", "Crocs", 60),
    ("new balance", "keyword", "New Balance", 60), (r"^[0-9]{3,4}\b", "regex", "New Balance", 90), ("converse", "keyword", "Converse", 60),
    ("chuck 70", "keyword", "Converse", 80), (r"\bvans\b", "regex", "Vans", 60), (r"\bugg\b", "regex", "UGG", 60),
    ("timberland", "keyword", "Timberland", 60), (r"\bpuma\b", "regex", "Puma", 60), (r"\bhoka\b", "regex", "HOKA", 60),
    ("mattel", "keyword", "Mattel", 60), ("palace", "keyword", "Palace", 60), ("supreme", "keyword", "Supreme", 60),
    ("salomon", "keyword", "Salomon", 60), (r"\bxt-[46]\b", "regex", "Salomon", 80), ("murakami", "keyword", "Murakami", 60),
    ("balenciaga", "keyword", "Balenciaga", 60), ("reebok", "keyword", "Reebok", 60), ("telfar", "keyword", "Telfar", 60),
    ("taschen", "keyword", "Taschen", 60), (r"\bkaws\b", "regex", "KAWS", 60), (r"\blego\b", "regex", "LEGO", 60),
    ("stone island", "keyword", "Stone Island", 60), ("birkenstock", "keyword", "Birkenstock", 60),
]

# Category of supplier: how many there are; the last supplier has none.
SUPPLIER_CATEGORIES = [("sneaker_retailers", 11, "Sneaker Corner"), ("general_retail", 10, "Warenhaus"), ("luxury_fashion", 9, "Atelier"),
                       ("direct_brands", 10, "Brand Store"), ("specialty_stores", 9, "Kollektiv"), (None, 1, "Flohmarkt")]
SUPPLIER_CITIES = ["Berlin", "Hamburg", "Köln", "München", "Leipzig", "Stuttgart", "Bremen", "Dresden", "London", "Stockholm", "Toronto"]
COUNTRY_OF_CITY = {"London": ("United Kingdom", "20.00"), "Stockholm": ("Sweden", "25.00"), "Toronto": ("Canada", "0.00")}

US_CITIES = ["Detroit", "Houston", "Chicago", "New York", "Portland", "Los Angeles", "Miami", "Dallas", "Atlanta", "Seattle",
             "Phoenix", "Denver", "Boston", "Austin", "Memphis", "Tampa", "Oakland", "Newark", "Orlando", "Las Vegas"]
# The 43 other countries, most frequent first.
COUNTRIES = [
    ("France", "Toulouse"), ("Mexico", "Guadalajara"), ("Switzerland", "Basel"), ("Italy", "Torino"), ("Hong Kong SAR", "Hong Kong"),
    ("Canada", "Montreal"), ("United Kingdom", "Leeds"), ("Australia", "Perth"), ("Germany", "Köln"), ("Spain", "Valencia"),
    ("Netherlands", "Utrecht"), ("Japan", "Osaka"), ("Belgium", "Gent"), ("Poland", "Gdańsk"), ("Singapore", "Singapore"),
    ("South Korea", "Busan"), ("Austria", "Graz"), ("Sweden", "Malmö"), ("Denmark", "Aarhus"), ("Norway", "Bergen"),
    ("Portugal", "Porto"), ("Ireland", "Cork"), ("Czech Republic", "Brno"), ("Taiwan", "Taipei"), ("New Zealand", "Wellington"),
    ("Finland", "Tampere"), ("Greece", "Patras"), ("Hungary", "Szeged"), ("Romania", "Cluj-Napoca"), ("Slovakia", "Košice"),
    ("Slovenia", "Maribor"), ("Croatia", "Split"), ("Bulgaria", "Varna"), ("Estonia", "Tartu"), ("Latvia", "Riga"),
    ("Lithuania", "Kaunas"), ("Luxembourg", "Luxembourg"), ("Malaysia", "Penang"), ("Thailand", "Chiang Mai"), ("Philippines", "Cebu"),
    ("Chile", "Santiago"), ("Malta", "Valletta"), ("Cyprus", "Limassol"),
]

# The sales kept by hand in Notion: number of the record, gross buy, net sale, buy date, sale date; then what the formulas
# make of it at 19 % VAT: net profit, ROI in percent, days. Records 5 and 8 were sold before they were bought: rejected.
NOTION_RECORDS = """
1 127.99 124.55 2024-07-24 2024-07-24 17.00 15.80 0
2 115.99 88.48 2024-07-24 2024-10-04 -8.99 -9.22 72
3 99.74 87.37 2024-03-13 2024-03-30 3.55 4.24 17
4 31.20 40.86 2023-08-30 2023-09-18 14.64 55.84 19
5 89.99 90.34 2024-05-13 2024-05-08 - - -
6 65.00 79.27 2024-06-29 2024-07-15 24.65 45.13 16
7 89.25 89.45 2024-07-11 2024-07-28 14.45 19.27 17
8 239.60 286.97 2024-11-08 2024-11-06 - - -
9 117.75 83.59 2024-02-13 2024-05-12 -15.36 -15.52 89
10 99.99 102.10 2024-08-13 2024-08-13 18.07 21.51 0
11 128.00 115.27 2024-07-24 2024-08-28 7.71 7.17 35
12 84.00 88.27 2024-06-29 2024-07-15 17.68 25.05 16
13 55.93 64.45 2024-08-09 2024-08-19 17.45 37.13 10
14 72.00 84.50 2024-07-12 2024-07-21 24.00 39.66 9
15 52.99 53.62 2024-06-14 2024-09-22 9.09 20.41 100
16 72.80 63.96 2024-08-21 2024-08-23 2.78 4.55 2
17 110.00 90.66 2024-10-27 2024-11-07 -1.78 -1.92 11
18 127.99 98.22 2024-07-24 2024-09-15 -9.33 -8.68 53
19 41.04 22.30 2024-06-17 2024-09-02 -12.19 -35.34 77
20 104.00 101.36 2024-05-03 2024-05-22 13.97 15.98 19
21 104.00 97.09 2024-05-03 2024-05-15 9.70 11.09 12
22 82.49 82.14 2024-03-13 2024-03-19 12.82 18.50 6
23 139.99 102.66 2024-04-25 2024-07-23 -14.98 -12.73 89
24 177.00 201.88 2024-05-23 2024-05-23 53.14 35.73 0
25 78.74 60.20 2024-11-07 2024-11-12 -5.97 -9.02 5
26 82.49 86.80 2024-03-13 2024-03-17 17.48 25.22 4
27 102.00 93.05 2024-04-27 2024-05-10 7.34 8.56 13
28 94.90 100.30 2024-11-22 2024-11-25 20.55 25.77 3
29 97.49 120.10 2024-06-25 2024-06-29 38.18 46.60 4
30 64.90 63.38 2024-03-18 2024-06-01 8.84 16.21 75
31 82.49 80.17 2024-07-09 2024-07-14 10.85 15.65 5
32 149.99 164.81 2024-11-09 2024-11-14 38.77 30.76 5
33 70.00 56.58 2024-06-26 2024-06-26 -2.24 -3.81 0
34 88.00 79.27 2024-03-21 2024-04-02 5.32 7.19 12
35 89.25 79.27 2024-08-19 2024-08-23 4.27 5.69 4
36 50.00 49.45 2024-08-10 2024-08-28 7.43 17.69 18
37 94.89 115.60 2024-11-22 2024-11-24 35.86 44.97 2
38 58.79 63.54 2024-11-19 2024-11-27 14.14 28.61 8
39 78.74 67.59 2024-11-07 2024-11-12 1.42 2.15 5
40 54.59 59.29 2024-12-08 2024-12-19 13.42 29.25 11
41 76.64 69.85 2024-11-22 2024-11-28 5.45 8.46 6
"""
