//! The country: cities with their postal codes, and the distances between them.

use crate::chance::Chance;

const ZIP: u64 = 61;

/// A city: its name as people there write it, state, latitude, longitude, share of customers in percent, and the postal codes
/// (their first five digits): the first one and how many there are.
pub(super) struct City {
    pub name: &'static str,
    pub state: &'static str,
    lat: f64,
    lon: f64,
    share: f64,
    zips: (u32, u32),
}

#[rustfmt::skip]
pub(super) static CITIES: [City; 50] = [
    city("são paulo", "SP", -23.55, -46.63, 15.6, (1_000, 5_000)),
    city("rio de janeiro", "RJ", -22.91, -43.30, 6.9, (20_000, 3_800)),
    city("belo horizonte", "MG", -19.92, -43.94, 2.8, (30_000, 2_000)),
    city("brasília", "DF", -15.79, -47.88, 2.1, (70_000, 2_800)),
    city("curitiba", "PR", -25.43, -49.27, 1.5, (80_000, 3_000)),
    city("campinas", "SP", -22.91, -47.06, 1.45, (13_010, 130)),
    city("porto alegre", "RS", -30.03, -51.20, 1.4, (90_000, 2_000)),
    city("salvador", "BA", -12.97, -38.48, 1.25, (40_000, 2_500)),
    city("guarulhos", "SP", -23.46, -46.53, 1.2, (7_000, 300)),
    city("são bernardo do campo", "SP", -23.69, -46.56, 0.95, (9_600, 300)),
    city("niterói", "RJ", -22.89, -43.10, 0.85, (24_000, 400)),
    city("santo andré", "SP", -23.66, -46.53, 0.8, (9_000, 300)),
    city("osasco", "SP", -23.53, -46.79, 0.75, (6_000, 300)),
    city("santos", "SP", -23.95, -46.33, 0.7, (11_000, 100)),
    city("goiânia", "GO", -16.69, -49.26, 0.7, (74_000, 900)),
    city("são josé dos campos", "SP", -23.20, -45.89, 0.7, (12_200, 50)),
    city("fortaleza", "CE", -3.76, -38.52, 0.65, (60_000, 1_600)),
    city("sorocaba", "SP", -23.50, -47.46, 0.6, (18_000, 110)),
    city("recife", "PE", -8.05, -34.92, 0.6, (50_000, 3_000)),
    city("florianópolis", "SC", -27.60, -48.53, 0.6, (88_000, 100)),
    city("jundiaí", "SP", -23.19, -46.88, 0.55, (13_200, 20)),
    city("ribeirão preto", "SP", -21.18, -47.81, 0.5, (14_000, 110)),
    city("nova iguaçu", "RJ", -22.76, -43.45, 0.5, (26_000, 400)),
    city("uberlândia", "MG", -18.92, -48.28, 0.5, (38_400, 16)),
    city("são gonçalo", "RJ", -22.83, -43.05, 0.45, (24_400, 400)),
    city("contagem", "MG", -19.93, -44.05, 0.45, (32_000, 400)),
    city("belém", "PA", -1.44, -48.47, 0.4, (66_000, 1_000)),
    city("juiz de fora", "MG", -21.76, -43.35, 0.4, (36_000, 100)),
    city("vila velha", "ES", -20.35, -40.32, 0.4, (29_100, 30)),
    city("joinville", "SC", -26.30, -48.85, 0.4, (89_200, 40)),
    city("mogi das cruzes", "SP", -23.52, -46.19, 0.4, (8_700, 200)),
    city("piracicaba", "SP", -22.73, -47.65, 0.35, (13_400, 25)),
    city("vitória", "ES", -20.31, -40.31, 0.35, (29_000, 100)),
    city("são luís", "MA", -2.55, -44.25, 0.3, (65_000, 100)),
    city("londrina", "PR", -23.31, -51.16, 0.3, (86_000, 100)),
    city("maringá", "PR", -23.42, -51.94, 0.3, (87_000, 100)),
    city("caxias do sul", "RS", -29.17, -51.18, 0.3, (95_000, 100)),
    city("campo grande", "MS", -20.47, -54.62, 0.3, (79_000, 130)),
    city("joão pessoa", "PB", -7.14, -34.86, 0.3, (58_000, 100)),
    city("natal", "RN", -5.81, -35.22, 0.25, (59_000, 140)),
    city("cuiabá", "MT", -15.60, -56.07, 0.25, (78_000, 100)),
    city("maceió", "AL", -9.62, -35.72, 0.25, (57_000, 100)),
    city("teresina", "PI", -5.09, -42.79, 0.2, (64_000, 100)),
    city("aracaju", "SE", -10.93, -37.07, 0.2, (49_000, 100)),
    city("manaus", "AM", -3.08, -60.00, 0.15, (69_000, 100)),
    city("palmas", "TO", -10.20, -48.33, 0.12, (77_000, 250)),
    city("porto velho", "RO", -8.76, -63.88, 0.12, (76_800, 35)),
    city("rio branco", "AC", -9.97, -67.82, 0.05, (69_900, 25)),
    city("macapá", "AP", 0.03, -51.07, 0.05, (68_900, 15)),
    city("boa vista", "RR", 2.82, -60.69, 0.04, (69_300, 40)),
];

const fn city(name: &'static str, state: &'static str, lat: f64, lon: f64, share: f64, zips: (u32, u32)) -> City {
    City { name, state, lat, lon, share, zips }
}

impl City {
    /// How many of its postal codes are in use: more in large cities.
    pub(super) fn used(&self) -> u32 {
        self.zips.1.min(12 + (60.0 * self.share) as u32)
    }

    /// A postal code in use, by its number.
    pub(super) fn zip(&self, number: u32) -> u32 {
        self.zips.0 + number * (self.zips.1 / self.used())
    }
}

/// A postal code with its city and middle.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Its place in [`CITIES`].
    pub city: usize,
    pub zip: u32,
    pub lat: f64,
    pub lon: f64,
}

impl Place {
    pub(super) fn new(city: usize, number: u32) -> Place {
        let of = &CITIES[city];
        let zip = of.zip(number);
        // The same in every marketplace, since it is the country's.
        let mut chance = Chance::of(0, ZIP, zip.into());
        let wide = 0.02 + 0.012 * of.share.sqrt();
        Place { city, zip, lat: of.lat + wide * chance.normal(), lon: of.lon + wide * chance.normal() }
    }

    pub(super) fn of(&self) -> &'static City {
        &CITIES[self.city]
    }

    pub(super) fn state(&self) -> &'static str {
        self.of().state
    }

    /// Kilometres on a sphere (haversine).
    pub(super) fn km_to(&self, other: &Place) -> f64 {
        let (a, b) = (self.lat.to_radians(), other.lat.to_radians());
        let (north, east) = ((b - a) / 2.0, (other.lon - self.lon).to_radians() / 2.0);
        let h = north.sin().powi(2) + a.cos() * b.cos() * east.sin().powi(2);
        2.0 * 6_371.0 * h.sqrt().asin()
    }
}

/// Draws cities by weight.
pub(super) struct Map {
    /// Sums of the weights, by city.
    sums: [f64; CITIES.len()],
}

impl Map {
    /// Where customers live.
    pub(super) fn of_customers() -> Map {
        Map::new(|city| city.share)
    }

    /// Where sellers are: in the south-east.
    pub(super) fn of_sellers() -> Map {
        Map::new(|city| {
            let trade = match city.state {
                "SP" => 2.0,
                "PR" | "SC" => 1.5,
                "MG" | "RS" | "RJ" => 0.8,
                _ => 0.15,
            };
            city.share.powf(0.7) * trade
        })
    }

    fn new(weight: impl Fn(&City) -> f64) -> Map {
        let mut so_far = 0.0;
        let sums = CITIES.each_ref().map(|city| {
            so_far += weight(city);
            so_far
        });
        Map { sums }
    }

    pub(super) fn place(&self, chance: &mut Chance) -> Place {
        let wanted = chance.unit() * self.sums[CITIES.len() - 1];
        let city = self.sums.partition_point(|sum| *sum <= wanted).min(CITIES.len() - 1);
        Place::new(city, chance.below(CITIES[city].used().into()) as u32)
    }
}
