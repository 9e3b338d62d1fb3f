//! What customers say, by language. `{p}` is a product, `{d}` a number of days, `{o}` an order.

use super::Language;

/// The phrases of one language.
pub(super) struct Phrases {
    pub products: &'static [&'static str],
    /// Whole reviews of a few words.
    pub short: &'static [&'static str],
    pub praise: &'static [&'static str],
    pub complaints: &'static [&'static str],
    pub remarks: &'static [&'static str],
    pub greetings: &'static [&'static str],
    pub problems: &'static [&'static str],
    pub requests: &'static [&'static str],
    pub closings: &'static [&'static str],
    /// `{}` is the contact.
    pub contact: &'static str,
    /// How phone numbers begin.
    pub areas: &'static [&'static str],
}

impl Language {
    /// ISO 639.
    pub(super) fn code(self) -> &'static str {
        match self {
            Language::En => "en",
            Language::De => "de",
            Language::Fr => "fr",
            Language::Es => "es",
            Language::Pt => "pt",
            Language::Ko => "ko",
        }
    }
}

pub(super) fn phrases(language: Language) -> &'static Phrases {
    match language {
        Language::En => &EN,
        Language::De => &DE,
        Language::Fr => &FR,
        Language::Es => &ES,
        Language::Pt => &PT,
        Language::Ko => &KO,
    }
}

static EN: Phrases = Phrases {
    products: &["kettle", "desk lamp", "rain jacket", "yoga mat", "backpack", "coffee grinder", "keyboard", "toy train", "blanket", "running shoes", "frying pan", "phone case"],
    short: &["Great product.", "Good.", "Love it!", "Not bad.", "Works fine.", "Five stars!", "Never again.", "As described.", "OK for the price."],
    praise: &["The {p} is exactly what I was looking for.", "Really happy with this {p}!", "My {p} arrived after {d} days, well packed.", "I've used the {p} for {d} weeks now & it still looks new.", "Best {p} I ever bought.", "The {p} feels solid and looks even better than in the pictures.", "Can't complain about the {p}, it does what it should.", "We bought the {p} as a gift and everybody loved it."],
    complaints: &["The {p} broke after {d} days.", "Very disappointed with the {p}.", "I waited {d} days for the {p} and it came in the wrong colour.", "The {p} doesn't work at all!", "The box was open and a part of the {p} is missing.", "Poor quality, the {p} isn't worth the money.", "Nobody answers my e-mails about the {p}.", "It smells of plastic, I can't use the {p}."],
    remarks: &["Delivery took {d} days.", "The price is fair.", "Would buy again!", "The manual could be better.", "Customer service was friendly and quick.", "The colour is a bit darker than expected.", "I'd recommend it to my friends.", "It's a little smaller than I thought.", "Packaging was damaged, but the {p} was fine.", "Easy to clean & easy to store."],
    greetings: &["Hello,", "Dear team,", "Hi there,", "Good morning,", "To whom it may concern,"],
    problems: &["my order {o} hasn't arrived after {d} days.", "order {o}: the {p} arrived broken.", "I received a {p} that I didn't order (order {o}).", "the tracking of order {o} hasn't changed for {d} days.", "I was charged twice for order {o}.", "I sent the {p} of order {o} back {d} days ago and got no refund."],
    requests: &["Please send a replacement.", "When will I get my money back?", "Could you tell me where it is?", "I'd like to cancel the order.", "Please call me back today!", "What can you do about it?"],
    closings: &["Thanks in advance.", "Kind regards, Sam", "Best, Jo", "Thank you!"],
    contact: "You can reach me at {}.",
    areas: &["+44 20", "(555) 010", "+1 555 010", "020"],
};

static DE: Phrases = Phrases {
    products: &["Wasserkocher", "Regenjacke", "Rucksack", "Schreibtischlampe", "Yogamatte", "Kaffeemühle", "Tastatur", "Bratpfanne", "Wolldecke", "Handyhülle"],
    short: &["Sehr gut.", "Alles bestens!", "Gerne wieder.", "Naja.", "Passt.", "Nie wieder!", "Schön, aber teuer.", "Wie beschrieben."],
    praise: &["Genau so eine {p} habe ich gesucht, schön verarbeitet.", "Die Lieferung war früher da als angekündigt, {p} top!", "Ich bin mit dem Produkt ({p}) sehr zufrieden.", "Seit {d} Wochen täglich benutzt, {p} läuft einwandfrei.", "Schöne Farbe, gute Qualität, {p} für diesen Preis super.", "Für meine Mutter gekauft, {p} gefällt ihr sehr."],
    complaints: &["Nach {d} Tagen kaputt, {p} taugt nichts.", "Die Größe stimmt überhaupt nicht ({p}).", "Ich warte seit {d} Tagen auf {p}, niemand antwortet.", "Falsche Farbe geliefert, {p} war außerdem verkratzt.", "Für so einen Preis hätte ich von {p} mehr erwartet.", "Es riecht stark nach Kunststoff, {p} geht zurück."],
    remarks: &["Die Lieferung dauerte {d} Tage.", "Würde ich wieder kaufen!", "Die Anleitung könnte ausführlicher sein.", "Der Kundendienst war freundlich & schnell.", "Die Farbe ist etwas dunkler als auf dem Foto.", "Preis und Leistung passen.", "Leicht zu säubern.", "Die Verpackung war beschädigt."],
    greetings: &["Guten Tag,", "Hallo,", "Sehr geehrte Damen und Herren,", "Liebes Team,"],
    problems: &["meine Bestellung {o} ist nach {d} Tagen noch nicht da.", "in der Bestellung {o} fehlt {p}.", "{p} aus der Bestellung {o} kam beschädigt an.", "die Bestellung {o} wurde doppelt abgebucht.", "ich habe {p} (Bestellung {o}) vor {d} Tagen zurückgeschickt und noch kein Geld erhalten."],
    requests: &["Bitte schicken Sie mir Ersatz.", "Wann bekomme ich mein Geld zurück?", "Können Sie das bitte prüfen?", "Ich möchte die Bestellung stornieren.", "Bitte rufen Sie mich heute noch an!"],
    closings: &["Mit freundlichen Grüßen", "Viele Grüße, Jörg", "Danke im Voraus.", "MfG"],
    contact: "Sie erreichen mich unter {}.",
    areas: &["+49 30", "0171", "030", "+49 171"],
};

static FR: Phrases = Phrases {
    products: &["bouilloire", "lampe de bureau", "veste de pluie", "tapis de yoga", "sac à dos", "moulin à café", "poêle", "couverture", "clavier"],
    short: &["Très bien.", "Parfait !", "Bof.", "Je recommande.", "Conforme à la description.", "Déçue.", "Ça va."],
    praise: &["Très contente de mon achat ({p}), livré en {d} jours.", "Belle qualité, {p} conforme à la photo.", "J'utilise ce produit ({p}) depuis {d} semaines, aucun problème.", "Exactement ce que je cherchais : {p} solide et légère.", "Offert à ma sœur, {p} très appréciée."],
    complaints: &["Cassé après {d} jours, {p} de mauvaise qualité.", "La couleur n'est pas celle commandée ({p}).", "J'attends {p} depuis {d} jours, personne ne répond.", "Déçu par {p}, beaucoup trop cher.", "Il manque une pièce à {p}."],
    remarks: &["La livraison a pris {d} jours.", "Je rachèterai sans hésiter.", "Le mode d'emploi n'est pas très clair.", "Service client aimable & rapide.", "Un peu plus petit que prévu.", "L'emballage était abîmé.", "Bon rapport qualité-prix."],
    greetings: &["Bonjour,", "Madame, Monsieur,", "Bonsoir,"],
    problems: &["ma commande {o} n'est toujours pas arrivée après {d} jours.", "j'ai reçu {p} cassé (commande {o}).", "la commande {o} a été débitée deux fois.", "j'ai renvoyé {p} de la commande {o} il y a {d} jours, sans remboursement."],
    requests: &["Pouvez-vous vérifier, s'il vous plaît ?", "Quand serai-je remboursée ?", "Je souhaite annuler la commande.", "Merci de me rappeler rapidement !"],
    closings: &["Cordialement, Hélène", "Merci d'avance.", "Bien à vous"],
    contact: "Vous pouvez me joindre au {}.",
    areas: &["+33 1", "06 12", "01 45", "+33 6"],
};

static ES: Phrases = Phrases {
    products: &["hervidor", "lámpara", "chaqueta", "esterilla", "mochila", "molinillo de café", "teclado", "sartén", "manta"],
    short: &["Muy bueno.", "¡Excelente!", "Regular.", "Todo bien.", "No lo recomiendo.", "Llegó rápido."],
    praise: &["Estoy muy contento con mi compra ({p}).", "Llegó en {d} días y en perfecto estado, {p} preciosa.", "La calidad es mejor de lo que esperaba ({p}).", "Lo uso desde hace {d} semanas, {p} funciona muy bien.", "¡Es justo lo que buscaba! {p} de diez."],
    complaints: &["Se rompió a los {d} días, {p} de mala calidad.", "El color no es el que pedí ({p}).", "Sigo esperando {p} después de {d} días, nadie contesta.", "No vale lo que cuesta ({p}).", "Faltaba una pieza de {p}."],
    remarks: &["El envío tardó {d} días.", "Volvería a comprar aquí.", "Las instrucciones no están claras.", "La atención fue rápida y amable.", "Es un poco más pequeño de lo que pensaba.", "Buena relación calidad-precio.", "El embalaje llegó dañado."],
    greetings: &["Hola,", "Buenos días,", "Estimados señores,"],
    problems: &["mi pedido {o} no ha llegado después de {d} días.", "{p} del pedido {o} llegó roto.", "me cobraron dos veces el pedido {o}.", "devolví {p} (pedido {o}) hace {d} días y todavía no tengo el dinero."],
    requests: &["¿Pueden revisarlo, por favor?", "¿Cuándo me devuelven el dinero?", "Quiero cancelar el pedido.", "¡Llámenme hoy, por favor!"],
    closings: &["Un saludo, Begoña", "Muchas gracias.", "Gracias de antemano."],
    contact: "Mi contacto es {}.",
    areas: &["+34 91", "+34 600", "(91) 9", "+52 55"],
};

static PT: Phrases = Phrases {
    products: &["chaleira", "luminária", "jaqueta", "mochila", "moedor de café", "teclado", "frigideira", "cobertor", "capinha de celular"],
    short: &["Muito bom.", "Ótimo!", "Recomendo.", "Não gostei.", "Chegou certinho.", "Mais ou menos.", "Nota 10"],
    praise: &["Adorei o produto ({p}), superou minhas expectativas.", "Chegou em {d} dias, {p} em perfeitas condições.", "Ótima qualidade, {p} igual à foto.", "Uso há {d} semanas e {p} continua como novo.", "Comprei {p} para presente e todos gostaram."],
    complaints: &["Quebrou em {d} dias, {p} de péssima qualidade.", "A cor não é a que pedi ({p}).", "Estou há {d} dias esperando {p} e ninguém responde.", "Não recomendo, {p} veio com defeito.", "Faltou uma peça ({p})."],
    remarks: &["A entrega demorou {d} dias.", "Compraria de novo.", "O manual não é claro.", "Atendimento rápido e atencioso.", "É um pouco menor do que eu pensava.", "Ótimo custo-benefício.", "A embalagem veio amassada."],
    greetings: &["Olá,", "Bom dia,", "Prezados,"],
    problems: &["meu pedido {o} não chegou depois de {d} dias.", "{p} do pedido {o} veio quebrado.", "fui cobrado duas vezes pelo pedido {o}.", "devolvi {p} (pedido {o}) há {d} dias e não recebi o reembolso."],
    requests: &["Podem verificar, por favor?", "Quando recebo meu dinheiro de volta?", "Quero cancelar a compra.", "Por favor, me liguem hoje!"],
    closings: &["Obrigado, João", "Obrigada desde já.", "Atenciosamente"],
    contact: "Meu contato é {}.",
    areas: &["(11) 9", "+55 11", "(21) 9", "011"],
};

static KO: Phrases = Phrases {
    products: &["전기포트", "책상 조명", "우비", "요가 매트", "백팩", "커피 그라인더", "키보드", "프라이팬", "담요", "휴대폰 케이스"],
    short: &["좋아요", "굿", "별로예요", "배송 빨라요", "그냥 그래요", "만족합니다", "추천합니다!", "다신 안 사요"],
    praise: &["{p} 정말 마음에 들어요.", "생각보다 훨씬 좋아요, {p} 추천합니다!", "{d}일 만에 왔는데 {p} 포장도 꼼꼼하네요.", "{p} 쓴 지 {d}주 됐는데 아직도 새것 같아요.", "선물로 샀는데 {p} 다들 좋아해요.", "가격 대비 {p} 품질이 훌륭합니다."],
    complaints: &["{p} {d}일 만에 고장 났어요.", "색이 사진이랑 너무 달라요 ({p}).", "{d}일째 기다리는데 {p} 아직도 안 와요.", "{p} 품질이 너무 떨어져요.", "{p} 부품이 하나 빠져 있어요.", "문의해도 답이 없네요, {p} 실망입니다."],
    remarks: &["배송은 {d}일 걸렸어요.", "재구매 의사 있어요!", "설명서가 좀 부족해요.", "상담원분이 친절하셨어요.", "생각보다 조금 작아요.", "세척하기 편해요.", "포장이 찢어져서 왔어요."],
    greetings: &["안녕하세요,", "수고하십니다.", "문의드립니다."],
    problems: &["주문번호 {o} {d}일째 안 왔어요.", "주문 {o}번 {p} 깨져서 왔습니다.", "주문 {o} 두 번 결제됐어요.", "{p} 반품한 지 {d}일 됐는데 환불이 안 됐어요 (주문 {o})."],
    requests: &["확인 부탁드립니다.", "언제 환불되나요?", "주문 취소하고 싶어요.", "오늘 중으로 전화 주세요!"],
    closings: &["감사합니다.", "수고하세요.", "빠른 답변 부탁드려요."],
    contact: "연락처는 {}입니다.",
    areas: &["010", "+82 10", "02", "031"],
};
