"""The painter's vocabulary: which words of which languages stand for a thing it can cut out."""

# ruff: noqa: E501 - a thing and its words are one line

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

Table = Mapping[str, str]

# English words that mean another thing in one of the other languages, or are oftener a verb than a thing.
FALSE_FRIENDS = frozenset(
    "lit red see brief chat stern seta camera vent tour alt mare rue sale sera bank mine still kind rose watch fair note sole nave pan "
    "spirit swallow bear duck crane alba luna era once pole hut mole bow ring park court rocher deck port table cape sol fort".split()
)
HOMONYMS = frozenset(
    "bear swallow duck crane watch ring rose table bank note mine park court deck port fort spirit hut mole".split()
)
ARTICLES = frozenset("a an the his her their my our your old great big little small".split())
ENGLISH = re.compile(r"\b(?:the|and|was|of|to)\b")
# What a thing is only compared with is not in the picture.
SIMILE = re.compile(
    r"\b(?:like|than|comme|wie|como|als)\s+(?:an?|the|two|some|une?|ein\w*|una?|um|uma)\s+(?:\w+\s+){0,3}\w+",
    re.IGNORECASE,
)

WORD = re.compile(r"[^\W\d_]+")
PLAIN = re.compile(r"^[a-zà-ɏа-яёͰ-Ͽ]+\*?$")  # scripts with spaces between words; the others are looked for anywhere


def _table(**rows: str) -> dict[str, str]:
    """`thing="word word stem*"` → word: thing. A `*` allows any ending."""
    return {word: thing.removesuffix("_") for thing, words in rows.items() for word in words.split()}


def words_of(text: str) -> list[str]:
    return [word.casefold() for word in WORD.findall(text)]


def first_of(table: Table, words: Sequence[str]) -> str | None:
    """The thing the first known word stands for."""
    for word in words:
        if found := lookup(table, word):
            return found
    return None


def lookup(table: Table, word: str) -> str | None:
    """The thing a word stands for: the word itself, its singular, or a stem of it."""
    for form in (word, word.removesuffix("s"), word.removesuffix("es")):
        if form in table:
            return table[form]
    for end in range(len(word), 2, -1):
        if found := table.get(word[:end] + "*"):
            return found
    return None


def things_in(table: Table, text: str, *, names_too: bool = True) -> dict[str, list[int]]:
    """Every known thing in a text with the offsets of its words, in order of the first one.

    `names_too=False` passes over capitalised words inside English sentences: Captain Wren is no bird.
    """
    low = text.casefold() if len(text.casefold()) == len(text) else text.lower()
    english, before = len(ENGLISH.findall(low[:2000])) >= 2, ""
    found: dict[str, list[int]] = {}
    for match in WORD.finditer(low):
        word, at = match.group(), match.start()
        thing = lookup(table, word)
        if thing and not (english and _misleading(text, at, word, before, names_too)):
            found.setdefault(thing, []).append(at)
        before = word
    if not low.isascii():
        for match in _anywhere(tuple(word for word in table if not PLAIN.match(word))).finditer(low):
            found.setdefault(table[match.group()], []).append(match.start())
    return {thing: sorted(at) for thing, at in sorted(found.items(), key=lambda item: min(item[1], default=0)) if at}


@lru_cache(maxsize=16)
def _anywhere(words: tuple[str, ...]) -> re.Pattern[str]:
    """Words of scripts that put no spaces between them; the longer one wins: a train is no fire."""
    return re.compile("|".join(map(re.escape, sorted(words, key=len, reverse=True))) or "(?!)")


def _misleading(text: str, at: int, word: str, before: str, names_too: bool) -> bool:
    """True when an English word is probably not the thing it spells."""
    if word in FALSE_FRIENDS and not (before in ARTICLES and word in HOMONYMS):
        return True
    inside = text[max(0, at - 2) : at].strip()[-1:].isalnum() or text[max(0, at - 2) : at].strip()[-1:] == ","
    named_so = word in PEOPLE_NAMED_LIKE_BIRDS or text[max(0, at - 9) : at].strip(" ").endswith(TITLES)
    return not names_too and inside and named_so and text[at : at + 1].isupper()


# --- Places, times, weather, moods -----------------------------------------------------------------------------

PLACES = _table(
    sea="sea ocean wave waves mer océan mar océano море океан* meer ozean onde 海 大海 بحر समुद्र mare voyage sail* aboard deck",
    beach="beach shore seashore coast sand dune* strand küste plage playa spiaggia praia пляж* берег* 海边 海岸 海滩 浜 沙滩 شاطئ तट island insel île isla isola ilha остров* 岛 島 جزيرة",
    harbour="harbour harbor port quay dock pier jetty wharf hafen puerto porto quai пристан* порт* 港 ميناء",
    river="river stream brook creek riverbank reeds ford fluss bach rivière fleuve ruisseau río arroyo fiume rio река реке реки реку ручей* 河 川 نهر नदी",
    lake="lake pond pool lagoon see teich lac étang lago estanque озеро озера пруд* 湖 池 بحيرة झील",
    forest="forest wood woods woodland grove thicket jungle wald forêt bois bosque selva foresta floresta лес лесу леса чаще* 森林 森 غابة जंगल वन",
    town="town city street streets rooftop* alley avenue stadt straße gasse ville rue ciudad calle città strada cidade rua город* улиц* 城市 街 町 مدينة شارع शहर सड़क",
    village="village hamlet farm farmhouse cottage dorf hof village pueblo aldea villaggio vila дерев* село 村 村庄 قرية गाँव गांव",
    castle="castle palace fortress keep tower* throne burg schloss château castillo castello castelo замок* замке дворец* 城堡 宫 宮 お城 قلعة قصر महल किला",
    market="market marketplace bazaar stall* fair markt marché mercado mercato рынок* рынке базар* 市场 市場 سوق बाज़ार बाजार",
    garden="garden orchard greenhouse hedge park lawn garten jardin jardín giardino jardim сад саду сада 花园 庭 حديقة बगीचा",
    mountain="mountain* peak summit cliff ridge berg gipfel montagne montaña montagna montanha гора горы горе горах 山 جبل पहाड़ पर्वत",
    hills="hill hills hillside hügel colline colina холм* 丘 تل valley vale meadow* wiese tal prado prairie pré valle луг* долин*",
    desert="desert dunes sahara oasis wüste désert desierto deserto пустын* 沙漠 砂漠 صحراء रेगिस्तान",
    cave="cave cavern grotto mine tunnel höhle grotte cueva caverna grotta gruta пещер* 洞 洞穴 洞窟 كهف गुफा",
    road="road path crossroads lane trail highway weg pfad chemin route sentier camino carretera sentiero caminho estrada дорог* тропа тропе путь 路 道路 طريق रास्ता",
    field="field fields wheat corn* barley harvest feld acker champ campo пол* нив* 田 田野 畑 حقل खेत",
    sky="sky clouds himmel ciel nuage* cielo céu небо небе неба облак* 天空 空中 空 سماء आकाश आसमान airship ",
    space="space planet* orbit spaceship spacecraft galaxy astronaut* rocket weltraum weltall espace espacio spazio espaço космос* 太空 宇宙 فضاء अंतरिक्ष",
    snowfield="snowfield glacier tundra arctic icefield polar drifts schneefeld gletscher glaciar ghiacciaio geleira сугроб* ледник* 雪原 冰原 ثلوج",
    interior="room kitchen house hall indoors inside bedroom parlour library workshop attic cellar school classroom office shop tavern inn church cabin hut zimmer küche haus stube chambre cuisine maison salle casa cocina habitación stanza cucina quarto cozinha комнат* кухн* дом доме изба 房间 屋 家 部屋 غرفة بيت مطبخ कमरा घर",
    underwater="underwater seabed reef coral undersea depths meeresgrund sous-marin fondo reef* 海底 قاع",
    swamp="swamp marsh bog moor sumpf marais pantano palude болот* 沼泽 沼 مستنقع दलदल",
)

INTERIORS = _table(
    kitchen="kitchen stove oven bakery baker küche ofen cuisine four cocina horno cucina forno cozinha кухн* печ* 厨房 台所 مطبخ रसोई soup bread",
    library="library bookshop books study school classroom scholar archive bibliothek schule bibliothèque école biblioteca escuela scuola escola библиотек* школ* 图书馆 学校 図書館 مكتبة مدرسة पुस्तकालय विद्यालय",
    bedroom="bedroom bed attic blanket* pillow* asleep schlafzimmer bett chambre lit dormitorio cama camera letto quarto спальн* кроват* 卧室 床 寝室 سرير बिस्तर",
    hall="hall palace throne ballroom castle temple church cathedral court saal kirche église salle iglesia sala chiesa igreja зал* церк* 宫殿 教堂 宮殿 قصر मंदिर महल",
    workshop="workshop forge smithy studio shed garage laboratory tools werkstatt schmiede atelier taller bottega oficina мастерск* кузниц* 工坊 作業場 ورشة कारखाना",
    cabin="ship cabin porthole deck submarine kajüte cabine camarote каюта 船舱",
    tavern="tavern inn pub cellar shop café barrel* wirtshaus taverne auberge taberna taverna трактир* 酒馆 حانة",
)

TIMES = _table(
    dawn="dawn daybreak sunrise cockcrow dämmerung morgengrauen aube aurore amanecer alba amanhecer aurora рассвет* заря 黎明 拂晓 夜明け فجر भोर",
    morning="morning breakfast morgen morgens matin mañana mattina manhã утро утром утра 早晨 早上 朝 صباح सुबह",
    day="noon midday afternoon mittag nachmittag midi mediodía mezzogiorno meio-dia tarde полдень днём днем день 中午 下午 昼 ظهر दोपहर",
    evening="evening dusk sunset twilight abend sonnenuntergang soir crépuscule atardecer sera tramonto entardecer вечер* закат* сумерк* 傍晚 黄昏 夕方 夕暮れ مساء غروب शाम",
    night="night midnight moonlight moonlit starlight nacht mitternacht nuit minuit noche medianoche notte noite ночь ночью ночи полноч* 夜 夜里 半夜 深夜 ليل रात",
)

WEATHERS = _table(
    rain="rain raining rained rainy drizzle downpour puddle* regen pluie lluvia pioggia chuva дождь дождя дождём ливень 雨 مطر बारिश वर्षा",
    snow="snow snowed snowing snowy snowflake* blizzard schnee neige nieve neve снег* 雪 ثلج बर्फ",
    fog="fog foggy mist misty haze nebel brouillard brume niebla nebbia neblina туман* 雾 霧 ضباب कोहरा",
    storm="storm stormy thunder* lightning tempest gale hurricane sturm gewitter orage tempête tormenta tempesta tempestade гроза бур* 暴风 嵐 雷 عاصفة तूफ़ान तूफान",
    wind="wind windy gust breeze* vent viento vento ветер ветр* 风 風 ريح हवा",
    cloudy="overcast cloudy grey-sky bewölkt nuageux nublado nuvoloso пасмурн* 阴天 曇り غائم",
    clear="sunny sunshine cloudless clear sunlight sonnig ensoleillé soleado soleggiato ensolarado солнечн* 晴 晴天 مشمس धूप",
)

MOODS = _table(
    glad="glad happy joy joyful cheerful merry playful hopeful triumphant festive funny excited laughter comic celebrat* fröhlich joyeux alegre felice весел* 快乐 楽しい سعيد खुश",
    calm="calm peaceful quiet serene gentle still dreamy restful content* ruhig calme tranquil* спокой* 平静 静か هادئ शांत",
    sad="sad sorrow* grief lonely melanchol* mournful wistful loss weep* traurig triste грустн* печал* 悲伤 悲しい حزين दुखी",
    dark="dark tense fear* frighten* scary dread ominous suspense* danger* threat* menac* gloomy horror eerie anxious düster sombre oscuro buio страш* тревог* 恐怖 怖い خائف डर",
    angry="angry anger rage fury furious battle fight violent war wütend colère ira rabbia гнев* ярост* 愤怒 怒り غضب क्रोध",
    tender="tender love loving romantic warm affection* kind* cosy cozy zärtlich tendre tierno tenero нежн* 温柔 優しい حب प्रेम",
    strange="strange myster* magic* wonder* curious uncanny secret* enchanted mystic* seltsam étrange extraño strano стран* волшеб* 神秘 不思議 غامض रहस्य",
)

# --- Who ------------------------------------------------------------------------------------------------------

ANIMALS = _table(
    star="star stern étoile estrella stella estrela звезда звёздочка 星 星星 نجمة तारा",
    moon="moon mond lune luna lua луна 月亮 お月さま قمر चाँद",
    sun="sun sonne soleil sole солнце солнышко 太阳 太陽 شمس सूरज",
    cloud="cloud wolke nuage nuvola облако тучка 云 雲 سحابة बादल",
    fox="fox foxes vixen fuchs renard zorro volpe raposa лис лиса лиску лисица лисёнок 狐 狐狸 キツネ きつね ثعلب लोमड़ी",
    wolf="wolf wolves loup lobo lupo волк* 狼 ذئب भेड़िया",
    dog="dog hound puppy pup hund chien perro cane cão cachorro собака пёс пес щенок 狗 犬 كلب कुत्ता",
    cat="cat kitten tomcat katze kater chat gato gatto кот кошка котёнок 猫 قطة बिल्ली",
    lion="lion lioness tiger leopard löwe león leone leão лев тигр 狮子 ライオン 虎 أسد शेर बाघ",
    horse="horse pony mare stallion pferd cheval caballo cavallo cavalo лошадь конь 马 馬 حصان घोड़ा",
    donkey="donkey mule esel âne burro asino осёл осел ослик 驴 ロバ حمار गधा",
    unicorn="unicorn einhorn licorne unicornio unicorno единорог 独角兽",
    deer="deer stag doe fawn reindeer elk moose hirsch reh cerf ciervo cervo олень 鹿 غزال हिरण",
    cow="cow ox bull calf kuh vache vaca mucca корова бык 牛 بقرة गाय",
    goat="goat ziege chèvre cabra capra коза 山羊 ヤギ ماعز बकरी",
    sheep="sheep lamb ram schaf mouton oveja pecora ovelha овца ягнёнок 羊 خروف भेड़",
    pig="pig piglet hog boar schwein cochon cerdo maiale porco свинья поросёнок 猪 豚 خنزير सूअर",
    monkey="monkey ape gorilla affe singe mono scimmia macaco обезьяна 猴 猿 サル قرد बंदर",
    badger="badger otter beaver mole raccoon dachs blaireau tejón tasso барсук бобр",
    snake="snake serpent viper schlange serpiente serpente cobra змея 蛇 ヘビ أفعى ثعبان साँप सांप",
    bear="bear bears cub panda bär ours oso orso urso медведь мишка 熊 دب भालू",
    rabbit="rabbit hare bunny hase kaninchen lapin lièvre conejo liebre coniglio coelho заяц кролик 兔 兔子 うさぎ أرنب खरगोश",
    mouse="mouse mice rat hedgehog squirrel maus souris ratón topo rato мышь мышка ёж белка 老鼠 ネズミ فأر चूहा",
    bird="bird sparrow robin wren swallow finch dove parrot pigeon rooster hen hawk eagle nightingale vogel oiseau pájaro uccello pássaro птица воробей 鸟 鳥 عصفور طائر चिड़िया पक्षी",
    crow="crow raven magpie jackdaw rabe krähe corbeau cuervo corvo ворон ворона 乌鸦 カラス غراب कौआ",
    owl="owl eule hibou chouette búho gufo coruja сова 猫头鹰 フクロウ بومة उल्लू",
    goose="goose geese swan duck hen gans ente schwan oie canard cygne ganso pato oca cigno гусь утка лебедь 鹅 鸭 天鹅 白鳥 إوزة हंस",
    heron="heron stork crane flamingo reiher storch héron cigogne garza cigüeña airone цапля аист 鹤 鶴",
    dragon="dragon drake wyrm drache drago dragón dragão дракон 龙 竜 龍 تنين अजगर",
    robot="robot android automaton roboter робот 机器人 ロボット روبوت",
    frog="frog toad frosch grenouille rana rã лягушка жаба 青蛙 カエル ضفدع मेंढक",
    fish="fish trout salmon carp fisch poisson pez pesce peixe рыба рыбка 鱼 魚 سمكة मछली",
    whale="whale dolphin wal baleine ballena balena baleia кит дельфин 鲸 鲸鱼 クジラ حوت",
    ghost="ghost spirit phantom geist fantôme fantasma призрак привидение 鬼 幽霊 شبح भूत",
    turtle="turtle tortoise snail schildkröte tortue tortuga tartaruga черепаха 乌龟 亀 سلحفاة कछुआ",
    elephant="elephant elefant éléphant elefante слон 大象 象 فيل हाथी",
)  # fmt: skip

PEOPLE = _table(
    her_child="girl daughter princess mädchen fille niña bambina menina девочка 女孩 少女 بنت लड़की",
    him_child="boy son lad prince junge garçon niño bambino menino мальчик 男孩 少年 ولد लड़का",
    any_child="child kid toddler kind enfant ребёнок 孩子 子供 طفل बच्चा young little",
    her_old="grandmother grandma granny crone oma großmutter grand-mère abuela nonna avó бабушка 奶奶 おばあさん جدة दादी",
    him_old="grandfather grandpa opa großvater grand-père abuelo nonno avô дедушка старик 爷爷 おじいさん جد दादा",
    any_old="old elderly aged ancient alt vieux vieille viejo vecchio velho старый 老 年老",
    her_adult="woman mother queen lady aunt nurse witch sister madame mrs miss ms frau mutter königin femme mère reine mujer madre reina donna regina mulher rainha женщина мать королева царица 女 母 王后 امرأة ملكة औरत रानी माँ",
    him_adult="man father king captain uncle sailor knight soldier wizard brother mr sir mann vater könig homme père roi hombre padre rey uomo re homem pai rei мужчина отец король царь капитан 男 父 国王 王 رجل ملك आदमी राजा",
)
PEOPLE = {word: thing.replace("_", "-") for word, thing in PEOPLE.items()}

COLOURS = {
    "red": "#cf3f36", "crimson": "#b32743", "scarlet": "#d8352e", "orange": "#e5792c", "yellow": "#f0c33c", "gold": "#e2ad3b",
    "golden": "#e2ad3b", "green": "#3f9a55", "olive": "#7d8438", "mint": "#8fd0ae", "teal": "#21918f", "turquoise": "#35b3b0",
    "blue": "#2f6fc0", "navy": "#263a73", "indigo": "#4540a0", "violet": "#7d4aa8", "purple": "#7b3f98", "lilac": "#b08fd0",
    "pink": "#ea86a6", "brown": "#7b4f30", "tan": "#c49a6c", "beige": "#d9c3a0", "cream": "#f3e8cd", "white": "#f4f1ea",
    "black": "#2d2a36", "grey": "#8b8f99", "gray": "#8b8f99", "silver": "#c3c9d1", "maroon": "#7a2634", "rust": "#b5532c",
    "mustard": "#d3a02c", "copper": "#b86b3a",
}  # fmt: skip
HAIR_COLOURS = {
    "red": "#b5482a", "ginger": "#c9622c", "auburn": "#8f3f26", "copper": "#b3562c", "brown": "#5f3b24", "chestnut": "#6b3d24",
    "blonde": "#e3b95a", "blond": "#e3b95a", "fair": "#e3c07a", "golden": "#dba63f", "black": "#26202a", "dark": "#33262a",
    "grey": "#a9a9ae", "gray": "#a9a9ae", "silver": "#c9ccd2", "white": "#efece6",
}  # fmt: skip
GARMENTS = _table(
    coat="coat cloak jacket robe cape overcoat raincoat uniform",
    dress="dress gown skirt kimono sari frock",
    tunic="tunic shirt sweater jumper smock vest blouse cardigan pullover",
    trousers="trousers overalls dungarees pants jeans suit",
)
HAIR_STYLES = _table(
    bald="bald", braids="braid plait pigtail braided", bun="bun", curls="curly curls frizzy wavy", long="long flowing",
    bob="bob bobbed", short="short cropped", tuft="spiky tousled messy unruly",
)  # fmt: skip
HATS = _table(
    crown="crown tiara king queen princess prince", hood="hood hooded cloak", kerchief="kerchief headscarf bonnet",
    flat="captain sailor sea-captain peaked", pointed="wizard witch gnome", brim="straw wide-brimmed brimmed farmer hat",
    bobble="bobble woolly knitted beanie", beret="beret painter artist", cap="cap",
)  # fmt: skip
MARKS = _table(
    scarf="scarf shawl", bag="bag satchel backpack rucksack", apron="apron baker cook", glasses="glasses spectacles",
    belt="belt", buttons="buttons", stripes="striped stripes", cape="cape cloak", patch="patch patched patches",
)  # fmt: skip
LIKELY_HER_ENDINGS = (
    "a",
    "ie",
    "elle",
    "ine",
    "ette",
    "ise",
    "ile",
    "lyn",
    "eth",
    "beth",
    "ah",
    "ia",
    "ей",
    "а",
    "я",
    "子",
    "美",
    "花",
    "ة",
)
LIKELY_HIM = frozenset(
    "luca nikita ilya ilja sasha joshua noah elijah mustafa andrea joshua ezra jonah micah isaiah misha kolya vanya petya "
    "дима саша никита илья миша коля ваня петя archie charlie freddie ollie alfie jamie eddie willie robbie".split()
)

TITLES = (
    "Captain",
    "Mr",
    "Mrs",
    "Miss",
    "Ms",
    "Dr",
    "Lady",
    "Lord",
    "Sir",
    "Aunt",
    "Uncle",
    "Old",
    "Mr.",
    "Mrs.",
    "Dr.",
)
PEOPLE_NAMED_LIKE_BIRDS = frozenset(
    "robin wren finch swallow drake leo crane heron colombe paloma raven jay martin".split()
)

# --- What -----------------------------------------------------------------------------------------------------

PROPS = _table(
    paper_boat="paperboat papierboot papierschiff* 纸船 紙の舟 紙の船",
    boat="boat rowboat canoe raft dinghy ferry boot kahn ruderboot barque bateau barca bote barco лодк* 船 小船 舟 ボート قارب नाव",
    ship="ship vessel galleon steamer schooner schiff navire nave navio корабл* 轮船 帆船 سفينة जहाज",
    lantern="lantern lamp lamps laterne lampe lanterne linterna farol lanterna lampada фонар* ламп* 灯笼 灯 提灯 ランプ فانوس مصباح लालटेन दीपक",
    door="door gate doorway tür tor porte puerta porta дверь двери дверью ворот* 门 扉 ドア باب दरवाज़ा दरवाजा",
    bridge="bridge brücke pont puente ponte мост моста мосту 桥 橋 جسر पुल",
    tree="tree oak pine willow birch elm apple-tree baum eiche arbre chêne árbol albero árvore дерев* дуб* сосн* 树 大树 木 شجرة पेड़ वृक्ष",
    fire="fire campfire bonfire flame* hearth ember* feuer lagerfeuer feu flamme fuego hoguera fuoco fogueira костёр костер* огонь огня пламя 火 篝火 焚き火 نار आग",
    key="key schlüssel clé clef llave chiave chave ключ* 钥匙 鍵 مفتاح चाबी कुंजी",
    book="book diary journal atlas spellbook buch livre libro livro книг* 书 本 日記 كتاب किताब पुस्तक",
    map_="map chart karte carte mapa mappa карт* 地图 地図 خريطة नक्शा",
    ladder="ladder leiter échelle escalera scala escada лестниц* 梯子 はしご سلم सीढ़ी",
    stairs="stairs staircase treppe escalier escaleras ступен* 楼梯 階段 درج",
    well="waterwell brunnen puits pozo pozzo poço колод* 井 بئر कुआँ कुआं",
    mill="mill windmill mühle moulin molino mulino moinho мельниц* 磨坊 风车 水車 風車 طاحونة चक्की",
    lighthouse="lighthouse beacon leuchtturm phare faro farol маяк* 灯塔 灯台 منارة",
    train="train locomotive railway zug eisenbahn tren treno trem поезд* паровоз* 火车 列车 汽車 電車 قطار रेलगाड़ी ट्रेन",
    cart="cart wagon carriage barrow wheelbarrow karren wagen kutsche charrette carro carreta carroza carroça телег* повозк* 车 马车 荷車 عربة गाड़ी",
    bed="bed bunk cradle bett lit cama letto кроват* постел* 床 ベッド سرير बिस्तर पलंग",
    table="table desk workbench tisch mesa tavola tavolo стол стола столе столом 桌子 机 テーブル طاولة मेज़ मेज",
    chair="chair stool armchair throne stuhl chaise fauteuil silla sedia cadeira стул* кресл* 椅子 كرسي कुर्सी",
    cup="cup mug teacup goblet tasse becher coupe taza copa tazza xícara чашк* кружк* 杯子 茶 コップ كوب فنجان प्याला",
    teapot="teapot kettle pot cauldron kessel théière bouilloire tetera olla teiera pentola чайник* котёл котел 茶壶 やかん إبريق केतली",
    letter="letter envelope note postcard telegram brief lettre carta lettera письм* 信 手紙 رسالة पत्र चिट्ठी",
    star="star starlight stern étoile estrella stella estrela звезд* звёзд* 星 نجمة نجم तारा तारे",
    moon="moon moonlight moonrise mond lune luna lua луна луны луну месяц* 月亮 月光 お月 قمر चाँद चांद",
    sun="sun sunrise sonne soleil sol sole солнц* 太阳 太陽 شمس सूरज",
    flower="flower rose daisy tulip poppy sunflower blossom* petal* lily blume fleur flor fiore цвет* роз* 花 زهرة وردة फूल",
    apple="apple pear fruit plum orange peach cherry apfel birne pomme poire manzana pera mela maçã яблок* груш* 苹果 梨 りんご تفاحة सेब नाशपाती",
    crown="crown tiara krone couronne corona coroa корон* 王冠 冠 تاج मुकुट",
    sword="sword blade dagger spear schwert épée espada spada меч мечом меча 剑 剣 刀 سيف तलवार",
    bell="bell bells chime glocke cloche campana sino колокол* 钟声 铃 鐘 鈴 جرس घंटी घंटा",
    clock="clock watch hourglass uhr horloge montre reloj orologio relógio час* 时钟 時計 ساعة घड़ी",
    umbrella="umbrella parasol regenschirm parapluie paraguas ombrello guarda-chuva зонт* 雨伞 伞 傘 مظلة छाता छतरी",
    candle="candle candles candlelight kerze bougie chandelle vela candela свеч* 蜡烛 ろうそく شمعة मोमबत्ती",
    tent="tent camp zelt tente tienda tenda палатк* шатёр шатер* 帐篷 テント خيمة तंबू",
    house="house cottage hut cabin haus hütte maison chaumière casa cabaña дом домик изб* 房子 小屋 家 بيت كوخ झोपड़ी घर",
    church="church chapel cathedral steeple temple kirche église iglesia chiesa igreja церк* храм* 教堂 寺 教会 كنيسة मंदिर",
    tower="tower belfry turret turm torre tour башн* 塔 برج मीनार",
    chest="chest box treasure casket truhe kiste coffre cofre baúl scrigno baule сундук* 箱子 宝箱 宝 صندوق संदूक",
    basket="basket korb panier cesta cesto корзин* 篮子 籠 かご سلة टोकरी",
    barrel="barrel keg cask fass tonneau barril botte бочк* 桶 樽 برميل पीपा",
    rope="rope cord seil corde cuerda corda верёвк* веревк* 绳子 縄 حبل रस्सी",
    anchor="anchor anker ancre ancla âncora якор* 锚 錨 مرساة लंगर",
    bottle="bottle flask jar vial flasche bouteille botella bottiglia garrafa бутыл* 瓶 زجاجة बोतल",
    bread="bread loaf cake pie bun brot kuchen pain gâteau pan pastel pane torta pão bolo хлеб* пирог* 面包 蛋糕 パン خبز रोटी केक",
    kite="kite drachen cerf-volant cometa pipa 风筝 凧 पतंग",
    balloon="balloon airship zeppelin ballon globo mongolfiera balão шар* 气球 気球 بالون गुब्बारा",
    violin="violin fiddle guitar lute geige gitarre violon guitare violín guitarra violino скрипк* гитар* 小提琴 吉他 バイオリン كمان वायलिन",
    drum="drum drums trommel tambour tambor tamburo барабан* 鼓 太鼓 طبل ढोल",
    flute="flute pipe whistle horn trumpet flöte flûte flauta flauto флейт* дудк* труб* 笛 ناي बाँसुरी",
    mirror="mirror looking-glass spiegel miroir espejo specchio espelho зеркал* 镜子 鏡 مرآة दर्पण आईना",
    window="window fenster fenêtre ventana finestra janela окно окна окне 窗户 窓 نافذة खिड़की",
    statue="statue monument sculpture statua estatua estátua стату* памятник* 雕像 像 تمثال मूर्ति",
    fence="fence zaun clôture valla recinto cerca забор* 篱笆 柵 سياج बाड़",
    sign="signpost sign crossroads wegweiser panneau letrero cartello указател* 路标 看板 لافتة",
    flag="flag banner flagge fahne drapeau bandera bandiera bandeira флаг* знам* 旗 علم झंडा",
    bicycle="bicycle bike fahrrad vélo bicyclette bicicleta bicicletta велосипед* 自行车 自転車 دراجة साइकिल",
    car="car automobile truck taxi auto voiture coche automóvil macchina автомобил* машин* 汽车 سيارة कार",
    rocket="rocket spaceship spacecraft rakete fusée cohete razzo foguete ракет* 火箭 ロケット صاروخ रॉकेट",
    telescope="telescope spyglass fernrohr teleskop télescope telescopio telescópio телескоп* 望远镜 望遠鏡 تلسكوب दूरबीन",
    feather="feather quill feder plume pluma piuma pena пер* 羽毛 羽根 ريشة पंख",
    egg="egg nest ei nest œuf nid huevo nido uovo ovo яйц* гнезд* 鸡蛋 卵 巢 بيضة अंडा",
    ring="ring bracelet necklace jewel* gem diamond ruby ringe anneau bague anillo joya anello gioiello anel кольц* 戒指 宝石 指輪 خاتم अँगूठी",
    conch="shell conch pearl muschel coquillage perle concha conchiglia раковин* жемчуж* 贝壳 珍珠 貝 صدفة शंख",
    mask="mask maske masque máscara maschera маск* 面具 仮面 قناع मुखौटा",
    broom="broom broomstick besen balai escoba scopa vassoura метл* 扫帚 ほうき مكنسة झाड़ू",
    axe="axe hammer shovel spade pickaxe axt hammer hache marteau hacha martillo ascia martello martelo топор* молот* лопат* 斧 锤 فأس कुल्हाड़ी",
    net="net fishing-rod netz filet red rete rede сеть сети удочк* 网 網 شبكة जाल",
    wheel="wheel spinning-wheel loom rad roue rueda ruota roda колес* 轮子 車輪 عجلة पहिया",
    coin="coin coins purse money münze pièce moneda moneta moeda монет* 金币 钱 コイン عملة सिक्का",
    mushroom="mushroom toadstool pilz champignon seta fungo cogumelo гриб* 蘑菇 きのこ فطر मशरूम",
    pumpkin="pumpkin kürbis citrouille calabaza zucca abóbora тыкв* 南瓜 かぼちゃ قرعة कद्दू",
    skull="skull bone* grave tombstone gravestone schädel grab crâne tombe calavera tumba teschio череп* могил* 墓 骨 قبر कब्र",
    snowman="snowman schneemann снеговик* 雪人 雪だるま",
    sled="sled sledge sleigh schlitten traîneau luge trineo slitta trenó сани санк* 雪橇 そり مزلجة",
    rainbow="rainbow regenbogen arc-en-ciel arcoíris arcobaleno arco-íris радуг* 彩虹 虹 قوس इंद्रधनुष",
    lightning="lightning thunderbolt blitz éclair relámpago fulmine relâmpago молни* 闪电 稲妻 برق बिजली",
    cloud="cloud wolke nuage nube nuvola nuvem облак* 云 雲 سحابة बादल",
    butterfly="butterfly butterflies moth firefl* schmetterling papillon mariposa farfalla borboleta бабочк* 蝴蝶 蝶 فراشة तितली",
    bench="bench bank banc banco panca скамь* скамейк* 长椅 ベンチ مقعد",
    swing="swing schaukel balançoire columpio altalena balanço качел* 秋千 ブランコ",
    fountain="fountain springbrunnen fontaine fuente fontana fonte фонтан* 喷泉 噴水 نافورة फव्वारा",
    rock="rock boulder stone cairn stein fels rocher pierre roca piedra roccia pietra rocha pedra кам* скал* 石头 岩 石 صخرة पत्थर चट्टान",
    island="小岛 island islet insel île isla isola ilha остров* 岛 島 جزيرة द्वीप",
    hourglass="hourglass sanduhr sablier песочн*",
    doll="doll puppet toy teddy puppe poupée muñeca bambola boneca кукл* игрушк* 娃娃 人形 دمية गुड़िया",
    wand="wand magic-wand staff zauberstab baguette varita bacchetta varinha жезл* посох* 魔杖 杖 عصا छड़ी",
    ball="ball marble sphere orb crystal kugel balle boule pelota bola palla мяч* 球 玉 كرة गेंद",
)  # fmt: skip
